import { BIN_COUNT, binOf, binStartMs, binWidthS } from "./gap-bins.ts";

/** Costs in one unit: GiB·s of idle memory. */
export type Costs = {
  /** Of keeping the container for a second, the multiplier included. */
  readonly idlePerS: number;
  readonly coldStart: number;
  readonly prewarm: number;
};

/** Gaps from the last call, in ms; Infinity: never. */
export type WarmPlan = { keepUntilMs: number; prewarmAtMs: number };

const stays = new Uint8Array(BIN_COUNT);
const prewarms = new Uint8Array(BIN_COUNT);

/**
 * The cheapest plan for a container that is idle now: until when it stays, and when it is there again. Without a price
 * for a prewarm "warm in bin k if and only if hazard × cold cost ≥ idle cost" is optimal; with one the decision in a bin depends on those after
 * it, so it is made from the last bin back: the cost to go when warm and when cold at the beginning of each bin.
 *
 * @param hazards per bin of the gap since the last call, the probability that the call comes in it, if not earlier.
 * @param ageMs since the last call.
 * @param mustStay it was just started for the bin it is in, and stays at least for that.
 */
export function planWarmth(
  hazards: Float64Array,
  { idlePerS, coldStart, prewarm }: Costs,
  ageMs: number,
  mustStay: boolean,
): WarmPlan {
  const first = binOf(ageMs);
  let warmCost = 0;
  let coldCost = 0;
  for (let bin = BIN_COUNT - 1; bin >= first; bin--) {
    const hazard = hazards[bin] as number;
    const stayCost = idlePerS * binWidthS(bin) * (1 - hazard / 2) + (1 - hazard) * warmCost;
    const leaveCost = hazard * coldStart + (1 - hazard) * coldCost;
    const returnCost = prewarm + stayCost;
    stays[bin] = stayCost <= leaveCost ? 1 : 0;
    prewarms[bin] = returnCost < leaveCost ? 1 : 0;
    warmCost = Math.min(stayCost, leaveCost);
    coldCost = Math.min(returnCost, leaveCost);
  }
  let bin = mustStay ? first + 1 : first;
  while (bin < BIN_COUNT && stays[bin] === 1) bin++;
  const keepUntilMs = bin >= BIN_COUNT ? Infinity : Math.max(ageMs, binStartMs(bin));
  bin++;
  while (bin < BIN_COUNT && prewarms[bin] === 0) bin++;
  return { keepUntilMs, prewarmAtMs: bin >= BIN_COUNT ? Infinity : binStartMs(bin) };
}
