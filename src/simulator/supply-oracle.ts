import type { Offer } from "../model/capacity.ts";
import type { Room } from "../model/grant.ts";
import type { InstanceId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import { hasFallenBack, isSatisfied, usesVariable } from "./capacity-rules.ts";
import type { Known, OfferSeen } from "./known.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import type { SimulatedInvocation } from "./simulated-invocation.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** Pauses after failures grow to this many times the first one. */
const BACKOFF_FACTOR_MAX = 64;
/** The longest for which an offer is avoided that refused launches or lost instances. */
const SPOT_PAUSE_MS_MAX = 60_000;
const SLACK_MS = 5000;

/**
 * The world's own answer to "does somebody wait for what could be had?": nothing is being launched, made or ended anywhere,
 * and an offer that the account admits has room. For a moment that is no harm; for longer than all pauses, nobody was asked.
 */
export class SupplyOracle {
  readonly #known: Known;
  readonly #instances: ReadonlyMap<InstanceId, SimulatedInstance>;
  readonly #roomOf: (invocation: Invocation) => Room;
  readonly #pauseMsMax: number;
  readonly #tickMs: number;
  #stuckSinceMs = Number.POSITIVE_INFINITY;

  constructor(
    { settings, tickLatenessMs }: World,
    known: Known,
    instances: ReadonlyMap<InstanceId, SimulatedInstance>,
    roomOf: (invocation: Invocation) => Room,
  ) {
    this.#roomOf = roomOf;
    this.#known = known;
    this.#instances = instances;
    const { launchBackoffMs, createBackoffMs, sweepMs } = settings;
    this.#tickMs = 2 * (sweepMs + tickLatenessMs) + SLACK_MS;
    this.#pauseMsMax = Math.max(SPOT_PAUSE_MS_MAX, BACKOFF_FACTOR_MAX * Math.max(launchBackoffMs, createBackoffMs));
  }

  nobodyWaits(): void {
    this.#stuckSinceMs = Number.POSITIVE_INFINITY;
  }

  check(nowMs: number): void {
    const stuck = this.#isAnythingUnderWay() ? undefined : this.#findStuck(nowMs);
    if (stuck === undefined) return this.nobodyWaits();
    this.#stuckSinceMs = Math.min(this.#stuckSinceMs, nowMs);
    if (nowMs - this.#stuckSinceMs <= this.#tickMs) return;
    violated(
      `oracle: ${stuck.invocation.id} waits since ${stuck.invocation.arrivedMs} ms, ${stuck.offer.id} has room for it, and ` +
        `nothing has been under way for ${nowMs - this.#stuckSinceMs} ms: nobody brings about room`,
    );
  }

  #isAnythingUnderWay(): boolean {
    for (const { isJoined, isLinked, isTerminating, isKnown, deadlineToldMs, containers } of this.#instances.values()) {
      if (isTerminating || deadlineToldMs !== undefined || (isKnown && !(isJoined && isLinked))) return true;
      for (const { state, isGoneTold } of containers.values()) {
        if (state === "creating" || state === "prewarming" || state === "ending") return true;
        if (state === "gone" && !isGoneTold) return true;
      }
    }
    return false;
  }

  #findStuck(nowMs: number): { invocation: SimulatedInvocation; offer: Offer } | undefined {
    for (const entries of this.#known.waiting.values()) {
      const [invocation] = entries;
      if (invocation === undefined || !this.#known.concurrency.mayRun(invocation)) continue;
      if (invocation.deadlineMs !== undefined) continue;
      for (const seen of this.#known.offers.values()) {
        if (this.#couldLaunch(seen, invocation, nowMs)) return { invocation, offer: seen.offer };
      }
    }
    return undefined;
  }

  #couldLaunch({ offer, failedMs }: OfferSeen, invocation: SimulatedInvocation, nowMs: number): boolean {
    if (!offer.isAvailable || nowMs - failedMs <= this.#pauseMsMax) return false;
    const { account, arrivedMs } = invocation;
    const { memoryMiB } = this.#roomOf(invocation);
    if (offer.subPool === "fixed" && !hasFallenBack(account.capacity, nowMs - arrivedMs)) return false;
    if (offer.subPool === "variable") {
      const terms = { subPool: offer.subPool, offer, remainingMs: offer.noticeMs };
      if (!usesVariable(account.capacity)) return false;
      if (!isSatisfied(account.capacity, terms, this.#known.wallMs(nowMs))) return false;
    }
    const neededMiB = Math.max(memoryMiB, offer.shape.memoryMiB);
    if (!offer.isElastic && memoryMiB > offer.shape.memoryMiB) return false;
    return this.#takenMiB(offer) + neededMiB <= (offer.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY);
  }

  #takenMiB({ id }: Offer): number {
    let takenMiB = 0;
    for (const { isKnown, offerId, shape } of this.#instances.values()) {
      if (isKnown && offerId === id) takenMiB += shape.memoryMiB;
    }
    return takenMiB;
  }
}
