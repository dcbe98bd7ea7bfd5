import type { SubPool } from "../../model/instance.ts";
import { RUNTIMES } from "../../model/runtime.ts";
import type { Market } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import type { Instance } from "./instance.ts";
import type { Pools } from "./pools.ts";
import type { Refill } from "./refill.ts";
import type { WarmingTargets } from "./warming-targets.ts";

export type SweepParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly refill: Refill;
  readonly targets: WarmingTargets;
};

const SUB_POOLS: readonly SubPool[] = ["fixed", "variable"];
/** Instances that may be emptied for another's sake at the same time. */
const CONSOLIDATION_SHARE = 0.1;

/** Gives up instances that nobody needs any more, some at a time; each with its reason. */
export class Sweep {
  readonly #parts: SweepParts;
  #surplusAtMs = 0;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  run(): void {
    this.#endStuck();
    this.#endSurplusBlanks();
    this.#endIdle();
    this.#endUnsatisfied();
    this.#endSurplus();
    this.#endOverdueLaunches();
    this.#consolidate();
  }

  /**
   * Instances that keep what they were told to end (a process that no signal ends, an agent that does not do as it is told): its
   * memory was promised to those who wait, and would be for ever.
   */
  #endStuck(): void {
    const { pools, settings, turn } = this.#parts;
    for (const place of ["warming", "active"] as const) {
      for (const instance of [...pools.inventory.at(place)]) {
        if (instance.leavingMemoryMiB === 0) continue;
        const overdue = [...instance.containers.values()].find(
          ({ state, sinceMs }) => state === "leaving" && turn.nowMs - sinceMs >= settings.leaveMsMax,
        );
        if (overdue === undefined) continue;
        pools.drain(instance, `its container ${overdue.id} does not end`);
        pools.backOffLaunch(instance.source); // The next one may fare no better.
      }
    }
  }

  /** Blank containers above their target: they were made for somebody who went away. */
  #endSurplusBlanks(): void {
    const { pools, settings, turn } = this.#parts;
    for (const place of ["warming", "active"] as const) {
      for (const { blanks } of pools.inventory.at(place)) {
        for (const runtime of RUNTIMES) {
          const surplus = blanks[runtime].length - pools.blankTargetOf(runtime);
          if (surplus <= 0) continue;
          // The oldest: the youngest has the warmest caches.
          const old = blanks[runtime].filter(({ sinceMs }) => turn.nowMs - sinceMs >= settings.keepAliveMinMs);
          for (const blank of old.slice(0, surplus)) pools.destroy(blank, "more are blank than shall be");
        }
      }
    }
  }

  /** Active instances without running or idle containers; an account's own stay. */
  #endIdle(): void {
    const { pools, settings, turn } = this.#parts;
    for (const instance of [...pools.inventory.at("active")]) {
      if (instance.runningCount + instance.idleCount + instance.prewarmingCount + instance.creatingTotal() > 0)
        continue;
      if (turn.nowMs - instance.lastUsedMs < settings.instanceIdleMs || this.#isKept(instance)) continue;
      pools.terminate(instance, "idle for longer than it is kept");
    }
  }

  #isKept({ accountId, isAtRisk }: Instance): boolean {
    const { pools, market } = this.#parts;
    // Another one was launched in the place of one at risk.
    if (accountId === undefined || isAtRisk) return false;
    const own = market.termsOf(accountId).settings.dedicatedInstances;
    return pools.inventory.lastingCountOf(accountId, own + 1) <= own;
  }

  /** Variable instances on which nothing runs and nothing may: their account would pay for what it cannot use. */
  #endUnsatisfied(): void {
    const { pools, settings, turn, market } = this.#parts;
    for (const instance of [...pools.inventory.at("active")]) {
      if (instance.subPool !== "variable" || instance.accountId === undefined) continue;
      const terms = market.termsOf(instance.accountId);
      if (terms.admits(instance.termsAt(turn.nowMs), false, turn.wallMs)) instance.unsatisfiedSinceMs = undefined;
      else instance.unsatisfiedSinceMs ??= turn.nowMs;
      const { unsatisfiedSinceMs } = instance;
      if (unsatisfiedSinceMs === undefined || instance.runningCount > 0) continue;
      if (turn.nowMs - unsatisfiedSinceMs < settings.unsatisfiedMs) continue;
      pools.terminate(instance, "its terms fail its account's constraints");
    }
  }

  /** Warming instances above the target, or of no use to anybody; slowly, for what is wanted again soon would have to boot again. */
  #endSurplus(): void {
    const { settings, turn } = this.#parts;
    if (turn.nowMs < this.#surplusAtMs) return;
    this.#surplusAtMs = turn.nowMs + settings.surplusStepMs;
    for (const subPool of SUB_POOLS) this.#endSurplusIn(subPool);
  }

  #endSurplusIn(subPool: SubPool): void {
    const { pools, settings, turn, refill, targets } = this.#parts;
    const old = [...pools.inventory.at("warming")].filter(
      ({ subPool: own, sinceMs }) => own === subPool && turn.nowMs - sinceMs >= settings.instanceIdleMs,
    );
    for (const instance of old) {
      if (!refill.isOfUse(instance)) pools.terminate(instance, "nobody can use it as it is");
    }
    const surplus = refill.countIn(subPool) - targets.of(subPool, turn.nowMs).keep;
    if (surplus <= 0) return;
    const step = Math.max(1, Math.floor(surplus * settings.surplusShare));
    for (const instance of old.filter((each) => each.place === "warming").slice(0, Math.min(surplus, step))) {
      pools.terminate(instance, `${surplus} more ${subPool} instances are ready than are expected to be needed`);
    }
  }

  #endOverdueLaunches(): void {
    const { pools, settings, turn } = this.#parts;
    for (const instance of [...pools.inventory.at("launching")]) {
      if (turn.nowMs - instance.sinceMs < settings.launchMsMax) continue;
      pools.terminate(instance, "its agent did not join in time");
      pools.backOffLaunch(instance.source);
    }
  }

  /**
   * Empties the emptiest instance of an account whose containers fit on its others. Nothing is moved: it takes no more work, what
   * runs on it ends there, and its functions' next containers are made elsewhere.
   */
  #consolidate(): void {
    const { pools, settings, turn, market } = this.#parts;
    const active = [...pools.inventory.at("active")];
    let allowed = Math.max(1, Math.floor(active.length * CONSOLIDATION_SHARE)) - this.#consolidating();
    for (const instance of active.sort((a, b) => usedMiB(a) - usedMiB(b) || (a.id < b.id ? -1 : 1))) {
      if (allowed <= 0) return;
      if (instance.place !== "active" || instance.accountId === undefined || this.#isKept(instance)) continue;
      if (turn.nowMs - instance.lastUsedMs < settings.consolidateAfterMs || instance.runningCount > 0) continue;
      if (instance.heldCount > 0) continue;
      const withFixed = market.termsOf(instance.accountId).usesFixedAtOnce;
      if (!fitsElsewhere(instance, pools.inventory.activeOf(instance.accountId), withFixed)) continue;
      pools.terminate(instance, "what it holds fits on other instances of its account");
      allowed--;
    }
  }

  #consolidating(): number {
    let count = 0;
    for (const { isEnding } of this.#parts.pools.inventory.at("draining")) if (isEnding) count++;
    return count;
  }
}

function usedMiB({ shape, freeMemoryMiB }: Instance): number {
  return shape.memoryMiB - freeMemoryMiB;
}

/** First fit, largest first: whether the idle containers of an instance have room on the others, blank ones not counted. */
function fitsElsewhere(instance: Instance, all: ReadonlySet<Instance>, withFixed: boolean): boolean {
  if (instance.creatingTotal() > 0 || instance.prewarmingCount > 0) return false;
  const free = [...all]
    .filter((other) => other !== instance && other.takesContainers && (withFixed || other.subPool === "variable"))
    .map((other) => other.roomMiB(instance.swingMiB));
  if (free.length === 0) return false;
  const sizes = [...instance.containers.values()].filter(({ state }) => state === "idle").map((c) => c.memoryMiB);
  return sizes
    .sort((a, b) => b - a)
    .every((size) => {
      const at = free.findIndex((room) => room >= size);
      if (at < 0) return false;
      free[at] = (free[at] ?? 0) - size;
      return true;
    });
}
