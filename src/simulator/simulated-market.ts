import type { Offer } from "../model/capacity.ts";
import type { OfferId } from "../model/ids.ts";
import { drawDemand, drawPrice, type OfferTraits, sizeOf } from "./capacity-world.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { World } from "./world.ts";

/** Of the time between two changes; a spike is short. */
const SPIKE_SHARE = 0.2;

/** One offer as it really is; what the server was told of it may be older. */
class LiveOffer {
  readonly traits: OfferTraits;
  readonly random: Random;
  offer: Offer;
  /** The server of now was told of it. */
  isPublished = false;

  constructor(traits: OfferTraits, random: Random) {
    this.traits = traits;
    this.random = random;
    this.offer = traits.offer;
  }
}

/** Where instances come from: prices and demand move, capacity comes and goes, and providers tell of it sooner or later. */
export class SimulatedMarket {
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #offers: readonly LiveOffer[];
  readonly #byId: ReadonlyMap<OfferId, LiveOffer>;
  /** An offer holds less than before; what is too much on it must go. */
  onShrink: (offerId: OfferId) => void = () => {};

  constructor(world: World, random: Random, stage: Stage, report: Report) {
    this.#stage = stage;
    this.#report = report;
    this.#offers = world.capacity.offers.map((traits) => new LiveOffer(traits, random.fork(traits.offer.id)));
    this.#byId = new Map(this.#offers.map((live) => [live.offer.id, live]));
  }

  /** Things begin to change. */
  open(): void {
    for (const live of this.#offers) {
      const { priceChangeMsMean, demandChangeMsMean, capacityChangeMsMean, outageEveryMsMean } = live.traits;
      this.#repeat(live, priceChangeMsMean, () => this.#movePrice(live));
      this.#repeat(live, demandChangeMsMean, () => this.#change(live, { demandLevel: drawDemand(live.random) }));
      this.#repeat(live, capacityChangeMsMean, () => this.#moveCapacity(live));
      this.#repeat(live, outageEveryMsMean, () => this.#outage(live));
    }
  }

  /** A server starts: what is known at once comes in one event, the rest when its provider has found out. */
  publish(): void {
    for (const live of this.#offers) live.isPublished = false;
    const atOnce = this.#offers.filter(({ traits }) => traits.publishedAfterMs === 0);
    for (const live of atOnce) live.isPublished = true;
    this.#stage.tell({ kind: "OffersChanged", offers: atOnce.map(({ offer }) => offer) });
    const { serverRun } = this.#stage;
    for (const live of this.#offers) {
      if (live.isPublished) continue;
      this.#stage.later(live.traits.publishedAfterMs, () => {
        if (!this.#stage.isServerUp || this.#stage.serverRun !== serverRun) return;
        live.isPublished = true;
        this.#stage.tell({ kind: "OffersChanged", offers: [live.offer] });
      });
    }
  }

  /** Whether a launch from the offer is refused at this moment, room not asked about. */
  isRefused(offerId: OfferId): boolean {
    const live = this.#byId.get(offerId);
    if (live === undefined) return true;
    if (!live.offer.isAvailable) return true;
    return this.#stage.hasFaults && live.traits.refusedShare > 0 && live.random.chance(live.traits.refusedShare);
  }

  /** What the offer's instances may take together. Infinity: no bound. */
  capacityMiBOf(offerId: OfferId): number {
    const live = this.#byId.get(offerId);
    return live === undefined ? 0 : (live.offer.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY);
  }

  noticeMsOf(offerId: OfferId): number {
    return this.#byId.get(offerId)?.offer.noticeMs ?? 0;
  }

  /** From now on everything is to be had, as cheap and calm as it can be. */
  becomeKind(): void {
    for (const live of this.#offers) {
      const { capacity, priceUsdPerHour } = live.traits.offer;
      const price = Math.min(priceUsdPerHour, live.offer.priceUsdPerHour);
      this.#change(live, { isAvailable: true, demandLevel: 0, priceUsdPerHour: price, capacity });
    }
  }

  #repeat(live: LiveOffer, msMean: number, happen: () => void): void {
    if (msMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(live.random.exponential(msMean), () => {
      if (!this.#stage.hasFaults) return;
      happen();
      this.#repeat(live, msMean, happen);
    });
  }

  #movePrice(live: LiveOffer): void {
    const { priceStyle, priceChangeMsMean } = live.traits;
    const before = live.offer.priceUsdPerHour;
    this.#change(live, { priceUsdPerHour: drawPrice(live.random) });
    if (priceStyle === "step") return;
    this.#stage.later(live.random.exponential(priceChangeMsMean * SPIKE_SHARE), () => {
      if (this.#stage.hasFaults) this.#change(live, { priceUsdPerHour: before });
    });
  }

  #moveCapacity(live: LiveOffer): void {
    const { shape, capacity } = live.traits.offer;
    if (capacity === undefined) return;
    const share = live.random.pick([0, 0.25, 0.5, 1, 2]);
    const memoryMiB = Math.max(shape.memoryMiB, Math.round(capacity.memoryMiB * share));
    const isLess = memoryMiB < this.capacityMiBOf(live.offer.id);
    this.#change(live, { capacity: sizeOf(memoryMiB) });
    if (isLess) this.onShrink(live.offer.id);
  }

  #outage(live: LiveOffer): void {
    this.#change(live, { isAvailable: false });
    this.#stage.later(live.random.exponential(live.traits.outageMsMean), () =>
      this.#change(live, { isAvailable: true }),
    );
  }

  #change(live: LiveOffer, terms: Partial<Offer>): void {
    live.offer = { ...live.offer, ...terms };
    this.#report.offerChanges++;
    const { newsMs } = live.traits;
    if (newsMs === 0) return this.#tell(live);
    this.#stage.later(newsMs, () => this.#tell(live));
  }

  /** As it is by now. A provider may as well say again what has not changed. */
  #tell(live: LiveOffer): void {
    if (!this.#stage.isServerUp || !live.isPublished) return;
    const isAll = live.random.chance(0.1);
    const offers = isAll ? this.#offers.filter(({ isPublished }) => isPublished) : [live];
    this.#stage.tell({ kind: "OffersChanged", offers: offers.map(({ offer }) => offer) });
  }
}
