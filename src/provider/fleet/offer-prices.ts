import type { Offer } from "../../model/capacity.ts";
import type { OfferId } from "../../model/ids.ts";
import type { CapacityListener } from "../../ports/capacity-provider.ts";
import type { Fleet } from "./fleet.ts";

/** Prices that the operator says, in USD per hour; they stand in the place of the provider's own. */
export type OfferPrices = ReadonlyMap<OfferId, number>;

/** A fleet whose offers carry the operator's prices: what a machine of one's own costs is known to nobody else. */
export type PricedFleet = Fleet & {
  /** @param usdPerHour undefined: the provider's own price again. @returns whether there is such an offer. */
  setPrice(offerId: OfferId, usdPerHour: number | undefined): boolean;
  readonly prices: OfferPrices;
};

export function withPrices(fleet: Fleet, initial: OfferPrices): PricedFleet {
  const prices = new Map(initial);
  let listener: CapacityListener | undefined;
  const priced = (offer: Offer): Offer => {
    const priceUsdPerHour = prices.get(offer.id);
    return priceUsdPerHour === undefined ? offer : { ...offer, priceUsdPerHour };
  };
  return {
    ...fleet,
    prices,
    offers: () => fleet.offers().map(priced),
    watch(told) {
      listener = told;
      fleet.watch({
        onOffers: (offers) => told.onOffers(offers.map(priced)),
        onAtRisk: (instanceId, reason) => told.onAtRisk(instanceId, reason),
        onReclaim: (instanceId, deadlineMs, reason) => told.onReclaim(instanceId, deadlineMs, reason),
        onExit: (instanceId, reason) => told.onExit(instanceId, reason),
      });
    },
    setPrice(offerId, usdPerHour) {
      const offer = fleet.offers().find(({ id }) => id === offerId);
      if (offer === undefined) return false;
      if (usdPerHour === undefined) prices.delete(offerId);
      else prices.set(offerId, usdPerHour);
      listener?.onOffers([priced(offer)]);
      return true;
    },
  };
}
