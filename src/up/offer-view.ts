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
  /** Changes are made one after the other: each writes all prices. */
  let lastChange: Promise<unknown> = Promise.resolve();

  /** On disk before it is in force: a price that could not be written has not changed. */
  async function change(offerId: OfferId, usdPerHour: number | undefined): Promise<boolean> {
    if (!fleet.offers().some(({ id }) => id === offerId)) return false;
    const prices = new Map(fleet.prices);
    if (usdPerHour === undefined) prices.delete(offerId);
    else prices.set(offerId, usdPerHour);
    await store.putMeta(META_NAME, JSON.stringify([...prices]));
    return fleet.setPrice(offerId, usdPerHour);
  }

  return {
    offers: () => [...fleet.offers()],
    setPrice(offerId, usdPerHour) {
      const changed = lastChange.then(() => change(offerId, usdPerHour));
      lastChange = changed.catch(() => {});
      return changed;
    },
  };
}
