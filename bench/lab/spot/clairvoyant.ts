import { STEP_MS } from "./market.ts";
import { type SpotPool, TERMS } from "./world.ts";

/**
 * The least that anybody could pay for having all that is needed ready at all times, who knows all capacity in advance, relative to
 * fixed instances only. A lower bound: capacity of all pools is one, so that moving between them is free, and instances have
 * no lifetimes of their own.
 *
 * Needed instances are layers, 1, 2, … n; layer k has spot capacity whenever all pools together have at least k. Each layer is by itself
 * the shortest path through the states off (while it is not needed), fixed and spot; entering fixed costs a standby's boot at the fixed
 * price, entering spot a launch at the spot price and needs the capacity for the whole of it. At first all are fixed and ready.
 */
export function clairvoyantCost(pools: readonly SpotPool[], needed: Float64Array): number {
  const capacity = Float64Array.from(needed, (_, step) =>
    pools.reduce((sum, pool) => sum + pool.capacity[step % pool.capacity.length]!, 0),
  );
  const [least, most] = [Math.min(...minMax(capacity)), needed.reduce((max, count) => Math.max(max, count), 0)];
  const layers = Math.ceil(most);
  let cost = 0;
  const alike = new Map<string, number>();
  for (let layer = 1; layer <= layers; layer++) {
    // Layers that are always to be had and always needed are alike.
    const isPlain = layer <= least && layer <= (minMax(needed)[0] ?? 0);
    const known = isPlain ? alike.get("plain") : undefined;
    const layerCost = known ?? costOfLayer(capacity, needed, layer);
    if (isPlain) alike.set("plain", layerCost);
    cost += layerCost;
  }
  return cost / needed.reduce((sum, count) => sum + count, 0);
}

const LAUNCH_STEPS = TERMS.launchMs / STEP_MS;
const FIXED_ENTRY = (TERMS.standbyBootMs / STEP_MS) * TERMS.fixedPrice;
const SPOT_ENTRY = LAUNCH_STEPS * TERMS.spotPrice;

/** In steps of a fixed instance. */
function costOfLayer(capacity: Float64Array, needed: Float64Array, layer: number): number {
  let [off, fixed, spot] = [Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY];
  if ((needed[0] ?? 0) < layer) [off, fixed] = [0, Number.POSITIVE_INFINITY];
  // For how many steps there has been capacity before this one.
  let available = 0;
  for (let step = 0; step < needed.length; step++) {
    const isNeeded = needed[step]! >= layer;
    const hasSpot = capacity[step]! >= layer;
    const enteredFixed = Math.min(off, spot) + FIXED_ENTRY;
    const enteredSpot = available >= LAUNCH_STEPS ? Math.min(off, fixed) + SPOT_ENTRY : Number.POSITIVE_INFINITY;
    const left = Math.min(off, fixed, spot);
    fixed = Math.min(fixed, enteredFixed) + TERMS.fixedPrice;
    spot = hasSpot ? Math.min(spot, enteredSpot) + TERMS.spotPrice : Number.POSITIVE_INFINITY;
    off = isNeeded ? Number.POSITIVE_INFINITY : left;
    available = hasSpot ? available + 1 : 0;
  }
  return Math.min(off, fixed, spot);
}

function minMax(values: Float64Array): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, most];
}
