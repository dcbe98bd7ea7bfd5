import type { Outcome } from "./replay.ts";

const TRIES = 7;
const CLOSE = 0.005;

/**
 * Looks for the price of memory at which a policy wastes as much as is allowed: at most that, and within 0.5 % of it when a
 * few tries find it. The more memory costs the less is wasted.
 *
 * @returns the outcome with the most waste of those allowed; when none is, the one with the least.
 */
export function atWaste(replayAt: (price: number) => Outcome, wastedGbMin: number, firstPrice: number): Outcome {
  let below: { price: number; outcome: Outcome } | undefined;
  let above: { price: number; outcome: Outcome } | undefined;
  let price = firstPrice;
  for (let i = 0; i < TRIES; i++) {
    const outcome = replayAt(price);
    const ratio = outcome.wastedGbMin / wastedGbMin;
    if (ratio <= 1) below = { price, outcome };
    else above = { price, outcome };
    if (ratio <= 1 && ratio > 1 - CLOSE) break;
    price = nextPrice(price, ratio, below, above, wastedGbMin);
  }
  return (below ?? above ?? { outcome: replayAt(price) }).outcome;
}

type Tried = { readonly price: number; readonly outcome: Outcome } | undefined;

function nextPrice(price: number, ratio: number, below: Tried, above: Tried, wastedGbMin: number): number {
  // Waste falls with about the square root of the price.
  if (below === undefined || above === undefined) return price * (ratio * (ratio > 1 ? 1.01 : 0.99)) ** 2.2;
  const [low, high] = [below, above].map(({ outcome }) => Math.log(outcome.wastedGbMin)) as [number, number];
  const share = (Math.log(wastedGbMin * (1 - CLOSE / 2)) - low) / (high - low);
  return below.price * (above.price / below.price) ** Math.min(0.95, Math.max(0.05, share));
}
