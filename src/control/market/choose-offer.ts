import type { Shape } from "../../model/instance.ts";
import { chooseOffer as chooseSpotOffer, type OfferCandidate } from "../spot/choose-offer.ts";
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
 * Chooses where the next instance comes from. Among variable offers the spot policy decides by price, spread and past
 * (`spot/choose-offer.ts`); where fixed capacity will do as well, variable offers that cost more with their losses are left out.
 * Among fixed ones the cheapest memory wins, then the id.
 */
export function chooseOffer(market: Market, wish: OfferWish, nowMs: number, wallMs: number): ChosenOffer | undefined {
  const variable: ChosenOffer[] = [];
  let fixed: ChosenOffer | undefined;
  for (const each of admittedOffers(market, wish, wallMs)) {
    const { source, shape } = each;
    if (!source.hasRoomFor(shape)) continue;
    if (source.isVariable) variable.push(each);
    else if (source.mayLaunch(nowMs) && (fixed === undefined || isCheaper(source, fixed.source))) fixed = each;
  }
  return chooseVariable(variable, fixed?.source.unitPriceUsd, nowMs) ?? fixed;
}

/** @param fixedUnitPriceUsd of the fixed offer that would do as well; undefined: none would. */
function chooseVariable(
  offers: readonly ChosenOffer[],
  fixedUnitPriceUsd: number | undefined,
  nowMs: number,
): ChosenOffer | undefined {
  if (offers.length === 0) return undefined;
  const candidates: OfferCandidate[] = [];
  let highestUsd = 0;
  for (const { source } of offers) {
    if (source.offer === undefined) continue;
    highestUsd = Math.max(highestUsd, source.unitPriceUsd);
    const { heldCount, record } = source;
    candidates.push({ offer: { ...source.offer, priceUsdPerHour: source.unitPriceUsd }, heldCount, record });
  }
  // Prices of nothing say nothing about what a loss costs; they are compared with one another alone.
  const isFixedPriced = fixedUnitPriceUsd !== undefined && fixedUnitPriceUsd > 0;
  const terms = {
    lossCostHours: LOSS_COST_HOURS,
    fixedUsdPerHour: isFixedPriced ? fixedUnitPriceUsd : highestUsd > 0 ? highestUsd : 1,
    usdPerHourMax: isFixedPriced ? fixedUnitPriceUsd : Number.POSITIVE_INFINITY,
  };
  const choice = chooseSpotOffer(candidates, terms, nowMs);
  return offers.find(({ source }) => source.id === choice?.offer.id);
}

/** What one loss costs, in instance-hours of fixed capacity: a boot of two minutes, twice. */
const LOSS_COST_HOURS = 4 / 60;

function isCheaper(a: OfferState, b: OfferState): boolean {
  if (a.launches.failures !== b.launches.failures) return a.launches.failures < b.launches.failures;
  if (a.unitPriceUsd !== b.unitPriceUsd) return a.unitPriceUsd < b.unitPriceUsd;
  return a.id < b.id;
}
