import type { Offer } from "../../model/capacity.ts";
import type { OfferRecord } from "./offer-record.ts";

/** An offer that an instance could come from. */
export type OfferCandidate = {
  readonly offer: Offer;
  /** Instances of it that exist or are being launched and are not being taken away. */
  readonly heldCount: number;
  readonly record: OfferRecord;
};

export type SpotTerms = {
  /** Of fixed capacity, which a loss is priced by. */
  readonly fixedUsdPerHour: number;
  /** What one loss costs, in instance-hours of fixed capacity. */
  readonly lossCostHours: number;
  /** The most that is worth paying; by default `fixedUsdPerHour`, for then fixed capacity is better. */
  readonly usdPerHourMax?: number;
};

/** Which offer, and why in one sentence. */
export type OfferChoice = { readonly offer: Offer; readonly why: string };

/**
 * Chooses the offer to launch the next variable instance from. First those that would hold at most `SHARE_MAX` of all (while
 * there are at least three to spread over), then those that are trusted, then the cheapest; the price of an instance-hour
 * includes what its losses cost, learned from the offer's own past. Then the one that holds the fewest, then the smallest id,
 * so that neither order nor chance matters. Price-capacity-optimized as EC2 calls it, without EC2's knowledge.
 *
 * The caller has left out the offers that fail the constraints of those who wait. A price that is above `usdPerHourMax` with
 * its losses is never chosen.
 *
 * @param candidates each offer once.
 * @returns undefined when nothing can be had now; `retryAtMs` then says when it may.
 */
export function chooseOffer(
  candidates: readonly OfferCandidate[],
  terms: SpotTerms,
  nowMs: number,
): OfferChoice | undefined {
  const worthwhile = candidates
    .filter(({ offer }) => offer.isAvailable)
    .map((candidate) => rank(candidate, terms))
    .filter(({ costUsdPerHour }) => costUsdPerHour < (terms.usdPerHourMax ?? terms.fixedUsdPerHour));
  const shareMost = heldMost(worthwhile);
  const best = worthwhile
    .filter(({ record }) => record.notBeforeMs <= nowMs)
    .sort((a, b) => Number(a.heldCount >= shareMost) - Number(b.heldCount >= shareMost) || compare(a, b))[0];
  return best && { offer: best.offer, why: explain(best) };
}

/** @returns when the first paused offer may be tried again, or undefined when none is paused. */
export function retryAtMs(candidates: readonly OfferCandidate[], nowMs: number): number | undefined {
  const paused = candidates.map(({ record }) => record.notBeforeMs).filter((atMs) => atMs > nowMs);
  return paused.length > 0 ? Math.min(...paused) : undefined;
}

/** Offers to spread over, and the largest share of all in one of them. */
const SPREAD_MIN = 3;
const SHARE_MAX = 0.4;

type Ranked = OfferCandidate & { readonly costUsdPerHour: number };

function rank(candidate: OfferCandidate, terms: SpotTerms): Ranked {
  const lossUsdPerHour = candidate.record.lossesPerHour * terms.lossCostHours * terms.fixedUsdPerHour;
  return { ...candidate, costUsdPerHour: candidate.offer.priceUsdPerHour + lossUsdPerHour };
}

/** How many one offer may hold before others go first: with the next instance, `SHARE_MAX` of all, and at least one. */
function heldMost(candidates: readonly OfferCandidate[]): number {
  if (candidates.length < SPREAD_MIN) return Number.POSITIVE_INFINITY;
  const held = candidates.reduce((sum, { heldCount }) => sum + heldCount, 0);
  return Math.max(1, Math.floor((held + 1) * SHARE_MAX));
}

function compare(a: Ranked, b: Ranked): number {
  return (
    Number(b.record.isTrusted) - Number(a.record.isTrusted) ||
    a.costUsdPerHour - b.costUsdPerHour ||
    a.heldCount - b.heldCount ||
    (a.offer.id < b.offer.id ? -1 : 1)
  );
}

function explain({ offer, heldCount, record, costUsdPerHour }: Ranked): string {
  const trust = record.isTrusted ? "trusted" : "tried again after a loss or refusal";
  const prices = `${offer.priceUsdPerHour.toFixed(4)} USD/h, ${costUsdPerHour.toFixed(4)} with its losses`;
  return `${offer.id}: ${prices}; ${heldCount} held; ${trust}`;
}
