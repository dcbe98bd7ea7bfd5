import type { SubPool } from "../model/instance.ts";
import { RUNTIMES, type RuntimeName } from "../model/runtime.ts";
import type { AccountBook } from "./account-book.ts";
import { isSatisfied, usesVariable } from "./capacity-rules.ts";
import type { Known } from "./known.ts";
import type { SimulatedContainer, SimulatedInstance } from "./simulated-instance.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** History may ask for one more at any time; such a one need not be complete. */
const YOUNG_MS = 200_000;

/** What must be true when nothing has happened for long: the load has left nothing, and the pools are at their targets. */
export class RestChecks {
  readonly #world: World;
  readonly #known: Known;
  readonly #instances: readonly SimulatedInstance[];
  readonly #wallMs: number;
  readonly #bornBeforeMs: number;
  readonly #held: ReadonlySet<SimulatedContainer>;

  /** @param held containers that are held ready, which may stay. */
  constructor(
    world: World,
    known: Known,
    instances: readonly SimulatedInstance[],
    held: ReadonlySet<SimulatedContainer>,
    nowMs: number,
  ) {
    this.#held = held;
    this.#world = world;
    this.#known = known;
    this.#instances = instances;
    this.#wallMs = known.wallMs(nowMs);
    this.#bornBeforeMs = nowMs - YOUNG_MS;
  }

  check(): void {
    const warming = { fixed: 0, variable: 0 };
    const own = new Map<AccountBook, { all: number; needed: number }>();
    for (const instance of this.#instances) {
      const isYoung = instance.bornMs > this.#bornBeforeMs;
      if (!instance.isJoined && !isYoung)
        violated(`instance ${instance.id} was launched, did not join, and is still there`);
      if (!isYoung) this.#checkBlanks(instance);
      if (instance.accountId === undefined) warming[instance.subPool]++;
      else {
        const account = this.#known.account(instance.accountId);
        const counts = own.get(account) ?? { all: 0, needed: 0 };
        own.set(account, counts);
        counts.all++;
        if (this.#holds(instance)) counts.needed++;
        if (instance.subPool === "variable") violated(`variable instance ${instance.id} was never given up`);
      }
    }
    this.#checkOwn(own);
    this.#checkWarming("fixed", warming.fixed, true);
    this.#checkWarming("variable", warming.variable, this.#isVariableAdmitted());
  }

  #holds({ containers }: SimulatedInstance): boolean {
    return [...containers.values()].some((container) => this.#held.has(container));
  }

  /** @param own of each account: `needed` hold something ready. */
  #checkOwn(own: ReadonlyMap<AccountBook, { readonly all: number; readonly needed: number }>): void {
    for (const account of this.#known.accounts) {
      const { all: has, needed } = own.get(account) ?? { all: 0, needed: 0 };
      const wants = account.capacity.dedicatedInstances;
      if (has > Math.max(wants, needed))
        violated(`account ${account.id} has ${has} instances at rest, ${wants} are its own`);
      if (has < wants && this.#isRoomFor("fixed"))
        violated(`account ${account.id} has ${has} of its own ${wants} instances`);
    }
  }

  #checkWarming(subPool: SubPool, count: number, mustBe: boolean): void {
    const { min, max } = this.#world.settings.warming[subPool];
    if (count > max) violated(`${count} ${subPool} instances warm, and at most ${max} are wanted`);
    if (count < min && mustBe && this.#isRoomFor(subPool)) violated(`${count} of ${min} ${subPool} instances warm`);
  }

  /** Whether one more instance of the usual shape could be had. */
  #isRoomFor(subPool: SubPool): boolean {
    for (const { offer } of this.#known.offers.values()) {
      if (offer.subPool !== subPool || !offer.isAvailable) continue;
      let takenMiB = offer.shape.memoryMiB;
      for (const { offerId, shape } of this.#instances) if (offerId === offer.id) takenMiB += shape.memoryMiB;
      if (takenMiB <= (offer.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY)) return true;
    }
    return false;
  }

  #isVariableAdmitted(): boolean {
    for (const { capacity } of this.#known.accounts) {
      if (!usesVariable(capacity)) continue;
      for (const { offer } of this.#known.offers.values()) {
        const terms = { subPool: offer.subPool, offer, remainingMs: offer.noticeMs };
        if (offer.subPool === "variable" && isSatisfied(capacity, terms, this.#wallMs)) return true;
      }
    }
    return false;
  }

  #checkBlanks(instance: SimulatedInstance): void {
    const { blankTarget, blankMemoryMiB, blanksOnDemand } = this.#world.settings;
    // Nobody in these worlds wants those.
    const targetOf = (runtime: RuntimeName) => (blanksOnDemand.includes(runtime) ? 0 : (blankTarget[runtime] ?? 0));
    const blanks = new Map<RuntimeName, number>();
    for (const container of instance.containers.values()) {
      const { state, runtime } = container;
      if (this.#held.has(container)) continue;
      if (state === "blank") blanks.set(runtime, (blanks.get(runtime) ?? 0) + 1);
      else if (state !== "gone") violated(`a container is ${state} on instance ${instance.id}, which is at rest`);
    }
    const wanted = RUNTIMES.reduce((sum, runtime) => sum + targetOf(runtime), 0);
    if (wanted * blankMemoryMiB > instance.shape.memoryMiB || this.#holds(instance)) return;
    for (const runtime of RUNTIMES) {
      const [has, wants] = [blanks.get(runtime) ?? 0, targetOf(runtime)];
      // An account's own instance may keep what it got while it was in use.
      const isWrong = instance.accountId === undefined ? has !== wants : has < wants;
      if (isWrong) {
        violated(`${has} blank containers of ${runtime} on resting instance ${instance.id}, and ${wants} are wanted`);
      }
    }
  }
}
