import type { Outcome } from "./replay.ts";

export type Found = { readonly price: number; readonly outcome: Outcome };

const TRIES = 7;
const CLOSE = 0.005;

/**
 * Looks for the price of memory at which a policy wastes as much as is allowed: at most that, and within 0.5 % of it when a
 * few tries find it. The more memory costs the less is wasted.
 *
 * @returns the outcome with the most waste of those allowed; when none is, the one with the least.
 */
export function atWaste(replayAt: (price: number) => Outcome, wastedGbMin: number, firstPrice: number): Found {
  let below: Found | undefined;
  let above: Found | undefined;
  let price = firstPrice;
  for (let i = 0; i < TRIES; i++) {
    const outcome = replayAt(price);
    const ratio = outcome.wastedGbMin / wastedGbMin;
    if (ratio <= 1) below = { price, outcome };
    else above = { price, outcome };
    if (ratio <= 1 && ratio > 1 - CLOSE) break;
    price = nextPrice(price, ratio, below, above, wastedGbMin);
  }
  return below ?? above ?? { price, outcome: replayAt(price) };
}

/** From dear to cheap. */
const PREWARM_COSTS_MS = [100, 62, 40, 20, 10];

/**
 * Also looks for the price of a prewarm: the cheaper, the more prewarms and the fewer cold starts at the same waste. Stops at the first
 * with more prewarms than allowed, and gives the fewest cold starts of those before.
 */
export function atWasteAndPrewarms(
  replayAt: (price: number, prewarmCostMs: number) => Outcome,
  wastedGbMin: number,
  prewarmsMax: number,
): Found & { readonly prewarmCostMs: number } {
  let best: (Found & { readonly prewarmCostMs: number }) | undefined;
  let price = 0.2;
  for (const prewarmCostMs of PREWARM_COSTS_MS) {
    const found = { ...atWaste((tried) => replayAt(tried, prewarmCostMs), wastedGbMin, price), prewarmCostMs };
    if (found.outcome.prewarms > prewarmsMax) return best ?? found;
    if (best === undefined || found.outcome.cold < best.outcome.cold) best = found;
    price = found.price * 0.8;
  }
  return best as NonNullable<typeof best>;
}

function nextPrice(
  price: number,
  ratio: number,
  below: Found | undefined,
  above: Found | undefined,
  wastedGbMin: number,
): number {
  // Waste falls with about the square root of the price.
  if (below === undefined || above === undefined) return price * (ratio * (ratio > 1 ? 1.01 : 0.99)) ** 2.2;
  const [low, high] = [below, above].map(({ outcome }) => Math.log(outcome.wastedGbMin)) as [number, number];
  const share = (Math.log(wastedGbMin * (1 - CLOSE / 2)) - low) / (high - low);
  return below.price * (above.price / below.price) ** Math.min(0.95, Math.max(0.05, share));
}
