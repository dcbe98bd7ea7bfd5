import type { Offer } from "../model/capacity.ts";
import type { OfferId } from "../model/ids.ts";

/** What can be had, and the prices that the operator says. */
export type OfferView = {
  offers(): readonly Offer[];
  /**
   * Sets the price of one instance-hour; it is kept over restarts.
   * @param usdPerHour undefined: the provider's own again.
   * @returns false when there is no such offer.
   * @throws HearthError STORE_FAILED.
   */
  setPrice(offerId: OfferId, usdPerHour: number | undefined): Promise<boolean>;
};
