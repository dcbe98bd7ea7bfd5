import type { Shape } from "../../model/instance.ts";
import type { AccountTerms } from "./account-terms.ts";
import type { Market, OfferState } from "./market.ts";

/** What an instance is wanted for. */
export type OfferWish = {
  readonly terms: AccountTerms;
  readonly withFixed: boolean;
  readonly memoryMiB: number;
};

export type ChosenOffer = { readonly source: OfferState; readonly shape: Shape };

/** Offers from which an instance for this wish may be taken now as far as the account is concerned; room is not asked about. */
export function* admittedOffers(market: Market, wish: OfferWish, wallMs: number): IterableIterator<ChosenOffer> {
  for (const source of market.offers()) {
    const shape = source.shapeFor(wish.memoryMiB);
    if (shape === undefined || !wish.terms.admits(source.terms, wish.withFixed, wallMs)) continue;
    yield { source, shape };
  }
}

/**
 * Chooses where the next instance comes from: variable before fixed where both will do, then spread over the offers (no
 * variable one holds more than its share), then the cheapest memory, then the id.
 */
export function chooseOffer(market: Market, wish: OfferWish, nowMs: number, wallMs: number): ChosenOffer | undefined {
  let best: ChosenOffer | undefined;
  for (const each of admittedOffers(market, wish, wallMs)) {
    if (!each.source.launches.allows(nowMs) || !each.source.hasRoomFor(each.shape)) continue;
    if (best === undefined || isPreferred(each.source, best.source)) best = each;
  }
  return best;
}

function isPreferred(a: OfferState, b: OfferState): boolean {
  const [poolA, poolB] = [a.terms.subPool, b.terms.subPool];
  if (poolA !== poolB) return poolA === "variable";
  if (a.launches.failures !== b.launches.failures) return a.launches.failures < b.launches.failures;
  if (poolA === "variable" && a.heldCount !== b.heldCount) return a.heldCount < b.heldCount;
  if (a.unitPriceUsd !== b.unitPriceUsd) return a.unitPriceUsd < b.unitPriceUsd;
  return a.id < b.id;
}
