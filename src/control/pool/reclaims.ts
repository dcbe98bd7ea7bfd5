import type { InstanceId } from "../../model/ids.ts";
import type { SubPool } from "../../model/instance.ts";
import type { Market, OfferState } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import { standbyTarget } from "../spot/stand-in.ts";
import type { Turn } from "../turn.ts";
import type { Wakes } from "../wakes.ts";
import type { Instance } from "./instance.ts";
import type { Pools } from "./pools.ts";

export type ReclaimParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly wakes: Wakes;
};

type Owed = { readonly isVariable: boolean; readonly isFixed: boolean; readonly sinceMs: number };

/**
 * Instances that are taken away (A14): at risk, then noticed, then cut off shortly before the deadline, then gone. From the
 * event that brings the notice on nothing is placed on them; what runs may finish.
 */
export class Reclaims {
  readonly #parts: ReclaimParts;
  /** Noticed instances on which something runs, with the time at which that is cut off. */
  readonly #cutOffs = new Map<Instance, number>();

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
  }

  /** Deadlines and reasons said of instances that are not known: one of an earlier server may join after its machine said so. */
  readonly #early = new Map<InstanceId, { readonly deadlineMs: number; readonly reason: string }>();

  /** Replacements that are not ready yet, by the instance that is, or was, taken away. */
  readonly #owed = new Map<InstanceId, Owed>();

  /** When the next execution is cut off; undefined: none is to be. */
  get nextMs(): number | undefined {
    if (this.#cutOffs.size === 0) return undefined;
    let nextMs: number | undefined;
    for (const atMs of this.#cutOffs.values()) if (nextMs === undefined || atMs < nextMs) nextMs = atMs;
    return nextMs;
  }

  atRisk(instanceId: InstanceId): void {
    const { pools, wakes } = this.#parts;
    const instance = pools.inventory.instances.get(instanceId);
    if (instance === undefined || instance.isAtRisk || instance.place === "draining") return;
    instance.isAtRisk = true;
    pools.holdings.letGoOn(instance);
    this.#owe(instance);
    // Those who counted on its room need other room.
    wakes.supply = true;
    pools.wantRefill();
  }

  /** A second notice, or one for an instance that ends already, changes nothing but an earlier deadline. */
  noticed(instanceId: InstanceId, deadlineMs: number, reason: string): void {
    const { settings, turn, pools, wakes } = this.#parts;
    const instance = pools.inventory.instances.get(instanceId);
    if (instance === undefined) return this.#rememberEarly(instanceId, deadlineMs, reason);
    if (instance.isEnding) return;
    if (instance.endsAtMs === undefined) {
      pools.counters.instancesReclaimed++;
      instance.source.record.lost(turn.nowMs, turn.nowMs - instance.bornMs); // Its place is avoided for a while.
    }
    instance.isAtRisk = true;
    pools.holdings.letGoOn(instance);
    this.#owe(instance);
    instance.endsAtMs = Math.min(instance.endsAtMs ?? Number.POSITIVE_INFINITY, deadlineMs);
    const cutOffAtMs = Math.max(turn.nowMs, instance.endsAtMs - settings.reclaimReserveMs);
    pools.drain(instance, `it is reclaimed: ${reason}`);
    if (!instance.isEnding) this.#cutOffs.set(instance, cutOffAtMs);
    wakes.supply = true;
    pools.wantRefill();
  }

  /** An instance has joined: what was said of it before holds. */
  joined(instanceId: InstanceId): void {
    const early = this.#early.get(instanceId);
    if (early === undefined) return;
    this.#early.delete(instanceId);
    this.noticed(instanceId, early.deadlineMs, early.reason);
  }

  /** Most are of instances that are gone, which never come back: the oldest are forgotten. */
  #rememberEarly(instanceId: InstanceId, deadlineMs: number, reason: string): void {
    this.#early.delete(instanceId);
    this.#early.set(instanceId, { deadlineMs, reason });
    const [oldest] = this.#early.keys();
    if (oldest !== undefined && this.#early.size > EARLY_NOTICES_MAX) this.#early.delete(oldest);
  }

  /** Cuts off what has not finished in time. */
  run(): void {
    if (this.#cutOffs.size === 0) return;
    const { turn, pools } = this.#parts;
    for (const [instance, atMs] of this.#cutOffs) {
      const isGone = instance.isEnding || !pools.inventory.instances.has(instance.id);
      if (!isGone && turn.nowMs < atMs) continue;
      this.#cutOffs.delete(instance);
      if (isGone) continue;
      pools.cutOff(instance, "RECLAIMED");
      pools.endIfDrained(instance);
    }
  }

  /** An instance that was launched can be used: it may be the one that stands for one that is taken away. */
  ready(subPool: SubPool): void {
    for (const [instanceId, owed] of this.#owed) {
      if (subPool === "fixed" ? !owed.isFixed : false) continue;
      // What is replaced with variable capacity needs no fixed stand-in any more.
      if (subPool === "variable" || !owed.isVariable) this.#owed.delete(instanceId);
      return;
    }
  }

  /** Instances that are wanted above the target of the sub-pool, in the place of those that are taken away; until they are ready. */
  replacementsIn(subPool: SubPool): number {
    let count = 0;
    for (const { isVariable, isFixed, sinceMs } of this.#owed.values()) {
      if (this.#parts.turn.nowMs - sinceMs > OWED_MS_MAX) continue;
      if (subPool === "variable" ? isVariable : isFixed) count++;
    }
    return count;
  }

  /**
   * Fixed instances to have ready for accounts that may use them when their variable ones are taken away: as many as one offer
   * holds, for those go together.
   */
  standbyWanted(): number {
    const { pools, market } = this.#parts;
    const heldByOffer = new Map<OfferState, number>();
    for (const { subPool, source, accountId } of pools.inventory.at("active")) {
      if (subPool !== "variable" || accountId === undefined || !market.termsOf(accountId).mayUseFixed) continue;
      heldByOffer.set(source, (heldByOffer.get(source) ?? 0) + 1);
    }
    return standbyTarget(heldByOffer.values());
  }

  /** Its account will want another: a variable one, and where it may use fixed capacity one of those until that is ready. */
  #owe({ id, accountId }: Instance): void {
    const { turn, market } = this.#parts;
    if (accountId === undefined || this.#owed.has(id)) return;
    const { usesVariable: isVariable, mayUseFixed: isFixed } = market.termsOf(accountId);
    for (const [old, { sinceMs }] of this.#owed) if (turn.nowMs - sinceMs > OWED_MS_MAX) this.#owed.delete(old);
    this.#owed.set(id, { isVariable, isFixed, sinceMs: turn.nowMs });
  }
}

const EARLY_NOTICES_MAX = 1_000;
/** An account that has not come for the replacement by then does not need it. */
const OWED_MS_MAX = 600_000;
