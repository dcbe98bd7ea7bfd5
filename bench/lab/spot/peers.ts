import type { SpotInstance, SpotRule, SpotView } from "./world.ts";

/** Fixed instances only. */
export function fixedOnly(): SpotRule {
  return { step: (view) => holdFixed(view, view.neededCount, false) };
}

/** Spot wherever it is offered, fixed where not; a notice is not read, and the fixed one goes as soon as spot is granted. */
export function greedySpot(): SpotRule {
  return {
    step(view) {
      launchSpread(view, view.neededCount - view.spot.length);
      holdFixed(view, view.neededCount - view.spot.length, false);
    },
  };
}

/** Replaces what is gone: a notice is not read, a standby starts when an instance is missing, and goes when spot is ready. */
export function noticeIgnored(): SpotRule {
  return {
    step(view) {
      launchSpread(view, view.neededCount - view.spot.length);
      holdFixed(view, view.neededCount - ready(view).length, true);
    },
  };
}

/**
 * Karpenter-like: at the notice a replacement is launched, spot if there is any, else fixed; no standby, no waiting. Fixed
 * ones are consolidated: replaced by spot when that is offered, and ended when the replacement is ready.
 */
export function karpenterLike(): SpotRule {
  return {
    step(view) {
      const staying = view.spot.filter((instance) => !isNoticed(instance, view));
      launchSpread(view, view.neededCount - staying.length);
      const coming = view.spot.filter((instance) => !isNoticed(instance, view) && instance.readyMs > view.nowMs);
      const replaced = staying.filter(({ readyMs }) => readyMs <= view.nowMs).length;
      // One that is launched for a noticed instance needs no fixed one beside it; one that replaces a fixed one does.
      const bare = view.neededCount - replaced - coming.length;
      if (bare > view.fixed.length) holdFixed(view, bare, false);
      while (view.fixed.length > Math.max(0, view.neededCount - replaced)) view.stopFixed();
    },
  };
}

/**
 * SpotHedge: `spare` spot instances more than are needed, over zones that are active, all of which are active again when at
 * most one is left; as many fixed ones as ready spot instances are missing. It reads no notice.
 */
export function spotHedge(spare = 2): SpotRule {
  const preemptive = new Set<number>();
  function isActive(pool: number): boolean {
    return !preemptive.has(pool);
  }
  function preempted(pool: number, poolCount: number): void {
    preemptive.add(pool);
    if (poolCount - preemptive.size <= 1) preemptive.clear();
  }
  let poolCount = 1;
  return {
    step(view) {
      poolCount = view.poolCount;
      for (let missing = view.neededCount + spare - view.spot.length; missing > 0; missing--) {
        const pools = leastHeld(view).filter(isActive);
        const granted = pools.find((pool) => {
          const isGranted = view.launchSpot(pool);
          if (!isGranted) preempted(pool, poolCount);
          return isGranted;
        });
        if (granted === undefined) break;
      }
      while (view.spot.length > view.neededCount + spare) view.giveUpSpot(view.spot.at(-1)!);
      holdFixed(view, view.neededCount - ready(view).length, false);
    },
    onGone: ({ pool }) => preempted(pool, poolCount),
    onReady: ({ pool }) => void preemptive.delete(pool),
  };
}

function isNoticed({ noticedMs }: SpotInstance, { nowMs }: SpotView): boolean {
  return noticedMs <= nowMs;
}

function ready({ spot, nowMs }: SpotView): SpotInstance[] {
  return spot.filter(({ readyMs }) => readyMs <= nowMs);
}

function leastHeld(view: SpotView): number[] {
  const held = Array.from({ length: view.poolCount }, (_, pool) => ({
    pool,
    count: view.spot.filter((instance) => instance.pool === pool).length,
  }));
  return held.sort((a, b) => a.count - b.count || a.pool - b.pool).map(({ pool }) => pool);
}

/** Launches from the pool that holds the fewest first; gives up the youngest where there are too many. */
function launchSpread(view: SpotView, missing: number): void {
  for (; missing > 0; missing--) {
    if (!leastHeld(view).some((pool) => view.launchSpot(pool))) return;
  }
  for (; missing < 0; missing++) {
    const youngest = view.spot.filter((instance) => !isNoticed(instance, view)).at(-1);
    if (youngest === undefined) return;
    view.giveUpSpot(youngest);
  }
}

function holdFixed(view: SpotView, count: number, isStandby: boolean): void {
  while (view.fixed.length < count) view.startFixed(isStandby);
  while (view.fixed.length > Math.max(0, count)) view.stopFixed();
}
