import type { Offer } from "../../model/capacity.ts";

const MS_PER_HOUR = 3_600_000;

/**
 * The price of one offer, summed up over time: what something cost between two readings is their difference. So a
 * change of a price touches one meter, however many instances run on it.
 */
export class OfferMeter {
  offer: Offer | undefined;
  #atMs: number;
  /** USD that one whole instance, and one MiB of an elastic one, has cost so far. One of them stands still. */
  #perInstance = 0;
  #perMiB = 0;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** A price that is no number changes nothing: it would spoil every sum from here on. */
  publish(offer: Offer, nowMs: number): void {
    this.#advance(nowMs);
    const isPrice = Number.isFinite(offer.priceUsdPerHour) && offer.priceUsdPerHour >= 0;
    this.offer = isPrice ? offer : this.offer;
  }

  read(nowMs: number): OfferReading {
    this.#advance(nowMs);
    return { perInstanceUsd: this.#perInstance, perMiBUsd: this.#perMiB };
  }

  /** USD per hour of an instance of this size; elastic ones cost in proportion to their memory. 0: not known yet. */
  priceOf(memoryMiB: number, priceUsdPerHour = this.offer?.priceUsdPerHour ?? 0): number {
    if (this.offer === undefined) return 0;
    return this.offer.isElastic ? (priceUsdPerHour * memoryMiB) / this.offer.shape.memoryMiB : priceUsdPerHour;
  }

  #advance(nowMs: number): void {
    const hours = Math.max(0, nowMs - this.#atMs) / MS_PER_HOUR;
    this.#atMs = Math.max(this.#atMs, nowMs);
    if (this.offer === undefined) return;
    const usd = this.offer.priceUsdPerHour * hours;
    if (this.offer.isElastic) this.#perMiB += usd / this.offer.shape.memoryMiB;
    else this.#perInstance += usd;
  }
}

/** What an offer's meter shows: USD since it began to count. */
export type OfferReading = { readonly perInstanceUsd: number; readonly perMiBUsd: number };

/** The price of fixed capacity, summed up likewise: what a GiB of it has cost so far. */
export class FixedMeter {
  #atMs: number;
  #usdPerGiB = 0;
  /** undefined: nobody knows what fixed capacity costs; it counts as nothing. */
  usdPerGiBHour: number | undefined;

  constructor(usdPerGiBHour: number | undefined, nowMs: number) {
    this.usdPerGiBHour = usdPerGiBHour;
    this.#atMs = nowMs;
  }

  set(usdPerGiBHour: number | undefined, nowMs: number): void {
    this.read(nowMs);
    this.usdPerGiBHour = usdPerGiBHour;
  }

  read(nowMs: number): number {
    this.#usdPerGiB += ((this.usdPerGiBHour ?? 0) * Math.max(0, nowMs - this.#atMs)) / MS_PER_HOUR;
    this.#atMs = Math.max(this.#atMs, nowMs);
    return this.#usdPerGiB;
  }
}

export function hoursOf(ms: number): number {
  return ms / MS_PER_HOUR;
}
