import type { OfferId } from "../model/ids.ts";
import type { OfferView } from "../ports/offer-view.ts";
import type { Store } from "../ports/store.ts";
import type { PricedFleet } from "../provider/fleet/offer-prices.ts";

const META_NAME = "offerPrices";

/** The operator's prices, as they were left. @throws HearthError STORE_FAILED. */
export async function loadOfferPrices(store: Store): Promise<ReadonlyMap<OfferId, number>> {
  const stored = await store.meta(META_NAME);
  return new Map(stored === undefined ? [] : (JSON.parse(stored) as [OfferId, number][]));
}

export function createOfferView(fleet: PricedFleet, store: Store): OfferView {
  return {
    offers: () => [...fleet.offers()],
    async setPrice(offerId, usdPerHour) {
      if (!fleet.setPrice(offerId, usdPerHour)) return false;
      await store.putMeta(META_NAME, JSON.stringify([...fleet.prices]));
      return true;
    },
  };
}
