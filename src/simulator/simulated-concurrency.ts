import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { Caller } from "./caller.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { World } from "./world.ts";

type Asked = { readonly reserved: number | undefined; readonly provisioned: number };

/** The owners of functions: say how many executions at a time are theirs, change their mind, and tell each new server. */
export class SimulatedConcurrency {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #callers: readonly Caller[];
  readonly #asked = new Map<Caller, Asked>();

  constructor(world: World, random: Random, stage: Stage, report: Report, callers: readonly Caller[]) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#random = random;
    this.#callers = callers;
    for (const caller of callers) this.#draw(caller);
  }

  open(): void {
    const { changeMsMean = Number.POSITIVE_INFINITY } = this.#world.concurrency ?? {};
    if (changeMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(changeMsMean), () => {
      if (!this.#stage.hasFaults) return;
      this.#change(this.#random.pick(this.#callers));
      this.open();
    });
  }

  /** A server starts. */
  publish(): void {
    for (const caller of this.#callers) if (this.#asked.has(caller)) this.#tell(caller);
  }

  /** The server was told that the function is another now. */
  updated(caller: Caller): void {
    if (this.#asked.has(caller)) this.#tell(caller);
  }

  /** Who let nothing run lets everything run. */
  becomeKind(): void {
    for (const [caller, { reserved }] of this.#asked) {
      if (reserved !== 0) continue;
      this.#asked.delete(caller);
      if (this.#stage.isServerUp) this.#tell(caller);
    }
  }

  #change(caller: Caller): void {
    this.#asked.delete(caller);
    this.#draw(caller);
    this.#report.concurrencyChanges++;
    if (this.#stage.isServerUp) this.#tell(caller);
  }

  #draw(caller: Caller): void {
    const { concurrency } = this.#world;
    if (concurrency === undefined) return;
    const isReserved = this.#random.chance(concurrency.reservedShare);
    const isProvisioned = this.#random.chance(concurrency.provisionedShare);
    const reserved = isReserved ? this.#random.pick(concurrency.reserved) : undefined;
    const wanted = isProvisioned ? this.#random.pick(concurrency.provisioned) : 0;
    const asked = { reserved, provisioned: Math.min(wanted, reserved ?? wanted) };
    let sum = setApart(asked);
    for (const [other, its] of this.#asked) if (other.account === caller.account) sum += setApart(its);
    // Somebody must be able to run without reserving anything, as the API sees to it.
    const isPossible = sum < this.#world.settings.accountConcurrencyMax;
    if (isPossible && (isReserved || asked.provisioned > 0)) this.#asked.set(caller, asked);
  }

  #tell(caller: Caller): void {
    const { accountId, name } = caller.traits;
    const asked = this.#asked.get(caller);
    const settings = asked === undefined ? undefined : settingsOf(caller, asked);
    this.#stage.tell({ kind: "ConcurrencyConfigured", accountId, functionName: name, settings });
  }
}

function setApart({ reserved, provisioned }: Asked): number {
  return reserved ?? provisioned;
}

function settingsOf(caller: Caller, { reserved, provisioned: count }: Asked): ConcurrencySettings {
  const { functionKey, memoryMiB, sized, traits } = caller;
  const { runtime } = traits;
  return { reserved, provisioned: count === 0 ? [] : [{ functionKey, runtime, memoryMiB, sized, count }] };
}
