import type { Sizing, SizingRecord } from "../control/sizing/sizing.ts";
import { cpuMilliOf } from "../model/function-version.ts";
import type { Grant } from "../model/grant.ts";
import type { AccountId } from "../model/ids.ts";
import { DEFAULT_SIZING, type SizingKey, type SizingScope, type SizingSettings } from "../model/sizing.ts";
import type { Caller } from "./caller.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import { drawSizingSettings } from "./sizing-world.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { FunctionTraits, World } from "./world.ts";

type Said = { readonly scope: SizingScope; readonly settings: Partial<SizingSettings> | undefined };

/**
 * Whoever says what may be done with sizes, and changes their mind; the store of what was learned; and what each container is
 * granted, checked against what was said, by the words of docs/design/0013-sizing.md.
 */
export class SimulatedSizes {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #callers: readonly Caller[];
  readonly #said = new Map<string, Said>();
  readonly #stored = new Map<SizingKey, string>();
  #isStopped = false;

  constructor(world: World, random: Random, stage: Stage, report: Report, callers: readonly Caller[]) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#random = random;
    this.#callers = callers;
    if (world.sizing === undefined) return;
    for (const { traits } of callers) {
      const { accountId } = traits;
      this.#said.set(accountId, { scope: { kind: "account", accountId }, settings: world.sizing.settings });
    }
  }

  /** @param sizingOf the server of that moment; undefined: its core has none. */
  open(sizingOf: () => Sizing | undefined): void {
    this.#planChange();
    this.#planStore(sizingOf);
  }

  /** A server starts: what was said is in force before it is told what was learned. */
  publish(sizing: Sizing | undefined): void {
    for (const said of this.#said.values()) this.#stage.tell({ kind: "SizingConfigured", ...said });
    if (this.#isStopped) this.#stage.tell({ kind: "SizingStopped", isStopped: true });
    if (sizing === undefined) return;
    for (const record of this.#stored.values()) sizing.restore(JSON.parse(record) as SizingRecord);
    this.#report.sizesRestored += this.#stored.size;
  }

  /** Writes what changed since the last time. */
  store(sizing: Sizing | undefined): void {
    if (sizing === undefined || !this.#isStoring) return;
    for (const key of sizing.takeChanged(Number.POSITIVE_INFINITY)) {
      const record = sizing.recordOf(key);
      if (record === undefined) this.#stored.delete(key);
      else this.#stored.set(key, JSON.stringify(record));
    }
  }

  /** @throws Violation when a container gets what nobody may be given under what is said at this moment. */
  checkGrant(grant: Grant, { accountId, name, need }: FunctionTraits, requestedMiB: number): void {
    const { memoryMiB, reservedMiB, rescueMemoryMiB, cpuMilli } = grant;
    const wrong = (what: string) =>
      violated(
        `${accountId}/${name}, which requests ${requestedMiB} MiB, was granted ${JSON.stringify(grant)}: ${what}`,
      );
    if (memoryMiB > rescueMemoryMiB) wrong("it could only be lowered");
    const settings = this.#settingsOf(accountId, name);
    const requestedMilli = cpuMilliOf(requestedMiB);
    if (need === undefined || settings.mode !== "auto") {
      if (reservedMiB !== requestedMiB || rescueMemoryMiB !== requestedMiB || cpuMilli !== requestedMilli)
        wrong("nobody may change what it requests");
      return;
    }
    const leastMiB = settings.limits === "soft" ? requestedMiB : Math.min(settings.memoryMiBMin, requestedMiB);
    const mostMiB = Math.max(
      requestedMiB,
      Math.min(settings.memoryMiBMax ?? Number.POSITIVE_INFINITY, 2 * requestedMiB),
    );
    if (memoryMiB < leastMiB || rescueMemoryMiB > mostMiB) wrong(`${leastMiB} to ${mostMiB} MiB are allowed`);
    if (settings.limits === "hard" && reservedMiB !== memoryMiB) wrong("a hard limit is reserved whole");
    if (settings.cpu === "ratio" && cpuMilli !== cpuMilliOf(memoryMiB)) wrong("CPU goes with its memory");
    const leastMilli = Math.min(settings.cpuMilliMin, requestedMilli);
    const mostMilli = Math.max(settings.cpuMilliMax, requestedMilli);
    if (settings.cpu === "apart" && (cpuMilli < leastMilli || cpuMilli > mostMilli))
      wrong(`${leastMilli} to ${mostMilli} thousandths of a vCPU are allowed`);
  }

  #settingsOf(accountId: AccountId, name: string): SizingSettings {
    const [account, own] = [this.#said.get(accountId), this.#said.get(`${accountId}/${name}`)];
    const settings = { ...DEFAULT_SIZING, ...account?.settings, ...own?.settings };
    return this.#isStopped ? { ...settings, mode: "off" } : settings;
  }

  #planChange(): void {
    const { changeMsMean = Number.POSITIVE_INFINITY } = this.#world.sizing ?? {};
    if (changeMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(changeMsMean), () => {
      if (!this.#stage.hasFaults) return;
      this.#change();
      this.#planChange();
    });
  }

  #change(): void {
    this.#report.sizingChanges++;
    const { accountId, name } = this.#random.pick(this.#callers).traits;
    const what = this.#random.pick(["account", "account", "function", "function", "unsaid", "stop"]);
    if (what === "stop") {
      this.#isStopped = !this.#isStopped;
      if (this.#stage.isServerUp) this.#stage.tell({ kind: "SizingStopped", isStopped: this.#isStopped });
      return;
    }
    const isAccount = what === "account";
    const scope: SizingScope = isAccount
      ? { kind: "account", accountId }
      : { kind: "function", accountId, functionName: name };
    const said: Said = { scope, settings: what === "unsaid" ? undefined : drawSizingSettings(this.#random) };
    this.#said.set(isAccount ? accountId : `${accountId}/${name}`, said);
    if (this.#stage.isServerUp) this.#stage.tell({ kind: "SizingConfigured", ...said });
  }

  #planStore(sizingOf: () => Sizing | undefined): void {
    if (!this.#isStoring) return;
    this.#stage.later(this.#world.sizing?.storeMs ?? 0, () => {
      if (!this.#stage.hasFaults) return;
      if (this.#stage.isServerUp) this.store(sizingOf());
      this.#planStore(sizingOf);
    });
  }

  get #isStoring(): boolean {
    return (
      this.#world.restarts.length > 0 &&
      (this.#world.sizing?.storeMs ?? Number.POSITIVE_INFINITY) < Number.POSITIVE_INFINITY
    );
  }
}
