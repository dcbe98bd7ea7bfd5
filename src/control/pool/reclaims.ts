import type { InstanceId } from "../../model/ids.ts";
import type { SubPool } from "../../model/instance.ts";
import type { Market } from "../market/market.ts";
import type { Settings } from "../settings.ts";
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

  /** When the next execution is cut off; undefined: none is to be. */
  get nextMs(): number | undefined {
    let nextMs: number | undefined;
    for (const atMs of this.#cutOffs.values()) if (nextMs === undefined || atMs < nextMs) nextMs = atMs;
    return nextMs;
  }

  atRisk(instanceId: InstanceId): void {
    const { pools, wakes } = this.#parts;
    const instance = pools.inventory.instances.get(instanceId);
    if (instance === undefined || instance.isAtRisk || instance.place === "draining") return;
    instance.isAtRisk = true;
    // Those who counted on its room need other room.
    wakes.supply = true;
    pools.wantRefill();
  }

  /** A second notice, or one for an instance that ends already, changes nothing but an earlier deadline. */
  noticed(instanceId: InstanceId, deadlineMs: number, reason: string): void {
    const { settings, turn, pools, wakes } = this.#parts;
    const instance = pools.inventory.instances.get(instanceId);
    if (instance === undefined || instance.isEnding) return;
    if (instance.endsAtMs === undefined) {
      pools.counters.instancesReclaimed++;
      instance.source.launches.failed(turn.nowMs); // Its place is avoided until a launch there succeeds.
    }
    instance.isAtRisk = true;
    instance.endsAtMs = Math.min(instance.endsAtMs ?? Number.POSITIVE_INFINITY, deadlineMs);
    const cutOffAtMs = Math.max(turn.nowMs, instance.endsAtMs - settings.reclaimReserveMs);
    pools.drain(instance, `it is reclaimed: ${reason}`);
    if (!instance.isEnding) this.#cutOffs.set(instance, cutOffAtMs);
    wakes.supply = true;
    pools.wantRefill();
  }

  /** Cuts off what has not finished in time. */
  run(): void {
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

  /** Warming instances that are wanted above the target, in the place of those that are being taken away. */
  replacementsIn(subPool: SubPool): number {
    const { pools, market } = this.#parts;
    let count = 0;
    for (const place of ["active", "draining"] as const) {
      for (const instance of pools.inventory.at(place)) {
        if (!instance.isAtRisk || instance.accountId === undefined) continue;
        const terms = market.termsOf(instance.accountId);
        if (subPool === "variable" ? terms.usesVariable : terms.mayUseFixed) count++;
      }
    }
    return count;
  }
}
