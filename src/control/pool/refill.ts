import type { AccountId } from "../../model/ids.ts";
import type { SubPool } from "../../model/instance.ts";
import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";
import type { Line, WaitQueue } from "../admission/wait-queue.ts";
import { type AccountTerms, DEFAULT_TERMS } from "../market/account-terms.ts";
import { type ChosenOffer, chooseOffer } from "../market/choose-offer.ts";
import type { Market, OfferState } from "../market/market.ts";
import type { Want } from "../placement/place.ts";
import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import type { Instance } from "./instance.ts";
import type { Pools } from "./pools.ts";
import type { Provisioned } from "./provisioned.ts";
import { canCreate } from "./supply.ts";
import type { WarmingTargets } from "./warming-targets.ts";

export type RefillParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly queue: WaitQueue;
  readonly targets: WarmingTargets;
  readonly provisioned: Provisioned;
  /** What the head of a line wants at this moment. */
  wantOf(line: Line): Want | undefined;
};

const SUB_POOLS: readonly SubPool[] = ["variable", "fixed"];

/** Brings blank containers, accounts' own instances and the warming sub-pools back to their targets; those who wait come first. */
export class Refill {
  readonly #parts: RefillParts;

  constructor(parts: RefillParts) {
    this.#parts = parts;
  }

  /** @param mayLaunch false while instances of an earlier server may yet join. */
  run(mayLaunch: boolean): void {
    const { pools, market } = this.#parts;
    pools.refillBegan();
    // The memory of the others is for those who wait, or for what shall be held ready: a blank in the way would make them ask for another instance, and again.
    const due = [];
    for (const instance of pools.toRefill) if (!this.#isWanted(instance)) due.push(instance);
    for (const instance of due) this.#refillBlanks(instance);
    if (!mayLaunch) return;
    for (const [accountId, terms] of market.accounts()) this.#refillOwn(accountId, terms);
    for (const subPool of SUB_POOLS) this.#refillWarming(subPool);
  }

  #refillBlanks(instance: Instance): void {
    const { pools, settings, turn } = this.#parts;
    pools.toRefill.delete(instance);
    if (instance.place !== "active" && instance.place !== "warming") return;
    if (!instance.takesContainers) return;
    if (!instance.creations.allows(turn.nowMs)) {
      pools.toRefill.add(instance);
      return pools.wantRefill(instance.creations.notBeforeMs);
    }
    for (;;) {
      const runtime = this.#missingBlank(instance);
      if (runtime === undefined) return;
      if (!canCreate(instance, pools.blankSizes.reservedMiB(runtime), settings, turn.nowMs)) return;
      pools.create(instance, runtime, "blank containers are below their target");
    }
  }

  #isWanted(instance: Instance): boolean {
    if (instance.accountId === undefined) return false;
    return this.#parts.queue.isWaiting(instance.accountId) || this.#parts.provisioned.wantsRoomOn(instance);
  }

  /**
   * A runtime of which the instance lacks a blank container. A warming instance, or an account's own, holds blanks of every
   * runtime, because nobody knows what will be called; another active one only of the runtimes its account has used on it.
   */
  #missingBlank(instance: Instance): RuntimeName | undefined {
    const { pools, market } = this.#parts;
    const isGeneral =
      instance.accountId === undefined || market.termsOf(instance.accountId).settings.class === "dedicated";
    for (const runtime of RUNTIMES) {
      const held = instance.blanks[runtime].length + instance.creatingCount[runtime];
      if (held >= pools.blankTargetOf(runtime)) continue;
      if (isGeneral || instance.usedRuntimes.has(runtime)) return runtime;
    }
    return undefined;
  }

  /** Instances that an account shall have before any request (A12). */
  #refillOwn(accountId: AccountId, terms: AccountTerms): void {
    const { pools } = this.#parts;
    const wanted = terms.settings.dedicatedInstances;
    if (wanted === 0) return;
    let held = pools.inventory.lastingCountOf(accountId, wanted);
    for (const instance of pools.inventory.at("launching")) if (instance.reservedFor === accountId) held++;
    for (; held < wanted; held++) {
      const chosen = this.#choose(terms);
      if (chosen === undefined) return this.#againLater("fixed");
      const reason = `account ${accountId} has ${held} of its ${wanted} instances`;
      pools.launch(chosen.source, chosen.shape, { reason, reservedFor: accountId });
    }
  }

  #refillWarming(subPool: SubPool): void {
    const { pools, turn, targets } = this.#parts;
    const { instances, why } = targets.of(subPool, turn.nowMs);
    for (let held = this.countIn(subPool); held < instances; held++) {
      const chosen = this.#chooseFor(subPool);
      if (chosen === undefined) return this.#againLater(subPool);
      const reason = `${held} of ${instances} ${subPool} instances are ready: ${why}`;
      pools.launch(chosen.source, chosen.shape, { reason, bidUsdPerHour: this.#bidFor(chosen.source) });
    }
  }

  /** Warming and launching instances of use: of their offer's usual shape, not at risk, and such that some account may have them. */
  countIn(subPool: SubPool): number {
    const { inventory } = this.#parts.pools;
    let count = 0;
    for (const place of ["warming", "launching"] as const) {
      for (const instance of inventory.at(place)) if (instance.subPool === subPool && this.isOfUse(instance)) count++;
    }
    return count;
  }

  isOfUse(instance: Instance): boolean {
    if (instance.reservedFor !== undefined || instance.isAtRisk) return false;
    if (!isUsualShape(instance)) return false;
    if (instance.subPool === "fixed") return true;
    const { market, turn } = this.#parts;
    const terms = instance.termsAt(turn.nowMs);
    for (const account of market.accounts().values()) {
      if (account.usesVariable && account.admits(terms, false, turn.wallMs)) return true;
    }
    return false;
  }

  #chooseFor(subPool: SubPool): ChosenOffer | undefined {
    if (subPool === "fixed") return this.#choose(DEFAULT_TERMS);
    let best: ChosenOffer | undefined;
    for (const terms of this.#parts.market.accounts().values()) {
      const chosen = terms.usesVariable ? this.#choose(terms, false) : undefined;
      if (chosen !== undefined && (best === undefined || chosen.source.heldCount < best.source.heldCount))
        best = chosen;
    }
    return best;
  }

  #choose(terms: AccountTerms, withFixed = true): ChosenOffer | undefined {
    const { market, turn } = this.#parts;
    const chosen = chooseOffer(market, { terms, withFixed, memoryMiB: 0 }, turn.nowMs, turn.wallMs);
    return chosen === undefined || this.#isWaitedFor(chosen.source) ? undefined : chosen;
  }

  /** Somebody waits whom this offer could serve, or it shall hold something ready: what room it has is theirs. */
  #isWaitedFor(source: OfferState): boolean {
    const { queue, turn, provisioned, wantOf } = this.#parts;
    if (source.offer?.capacity === undefined) return false;
    if (provisioned.waitsForRoomOf(source)) return true;
    for (const line of queue.lines()) {
      const want = wantOf(line);
      if (want?.terms.admits(source.terms, want.withFixed, turn.wallMs)) return true;
    }
    return false;
  }

  /** The most that any account which may use it would pay; undefined: whatever it costs. */
  #bidFor({ isVariable, terms }: OfferState): number | undefined {
    if (!isVariable) return undefined;
    const { market, turn } = this.#parts;
    let bid = 0;
    for (const account of market.accounts().values()) {
      if (account.admits(terms, false, turn.wallMs)) bid = Math.max(bid, account.bidUsdPerHour);
    }
    return Number.isFinite(bid) ? bid : undefined;
  }

  /** When the first offer that is avoided may be tried again. What is full or unavailable says so when it is not any more. */
  #againLater(subPool: SubPool): void {
    const { market, pools, turn } = this.#parts;
    for (const source of market.offers()) {
      if (source.terms.subPool === subPool && !source.mayLaunch(turn.nowMs)) pools.wantRefill(source.notBeforeMs);
    }
  }
}

/** Of its offer; one that was launched for a large function is not what the target means. */
function isUsualShape({ shape, source }: Instance): boolean {
  return source.offer === undefined || shape.memoryMiB === source.offer.shape.memoryMiB;
}
