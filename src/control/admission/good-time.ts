import type { Invocation } from "../../model/invocation.ts";
import type { Market, OfferState } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";

/**
 * How good this moment is for an invocation that could wait (A11), as a rank among the times of the last day: 0 the best, 1
 * the worst. It is the rank of the best offer that could serve it; an offer is as good as the worse of its price and its demand.
 * With less than an hour of history any price is taken for an ordinary one, and demand is judged by itself.
 */
export function goodnessRank(
  market: Market,
  { accountId }: Pick<Invocation, "accountId">,
  settings: Settings,
  { nowMs, wallMs }: Turn,
): number {
  const terms = market.termsOf(accountId);
  let best = 1;
  for (const source of market.offers()) {
    if (source.offer?.isAvailable !== true || !terms.admits(source.terms, terms.usesFixedAtOnce, wallMs)) continue;
    best = Math.min(best, rankOf(source, source.offer.priceUsdPerHour, demandOf(source), settings, nowMs));
  }
  return best;
}

function rankOf({ history }: OfferState, price: number, demand: number, settings: Settings, nowMs: number): number {
  const priceRank = history.priceRank(price, nowMs) ?? 0;
  if (demand <= settings.calmDemandLevel) return priceRank;
  return Math.max(priceRank, history.demandRank(demand, nowMs) ?? demand);
}

/** What the provider says, or how much of the offer runs for us, whichever is more. */
export function demandOf({ offer, runningMiB }: OfferState): number {
  if (offer === undefined) return 1;
  const ownShare = offer.capacity === undefined ? 0 : runningMiB / Math.max(1, offer.capacity.memoryMiB);
  return Math.max(offer.demandLevel, Math.min(1, ownShare));
}
