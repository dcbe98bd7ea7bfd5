import type { Offer } from "../../model/capacity.ts";
import type { AccountId, OfferId } from "../../model/ids.ts";
import type { Shape, SubPool } from "../../model/instance.ts";
import { Backoff } from "../backoff.ts";
import type { Settings } from "../settings.ts";
import { OfferRecord } from "../spot/offer-record.ts";
import { type AccountTerms, DEFAULT_TERMS, type Terms } from "./account-terms.ts";
import { TermsHistory } from "./terms-history.ts";

/** One offer with what the core has taken of it and how that went. */
export class OfferState {
  readonly id: OfferId;
  /** undefined: only an instance of an earlier server named it; no provider has published it yet. */
  offer: Offer | undefined;
  /** Memory of all instances of it, those that are ending included. */
  takenMiB = 0;
  heldCount = 0;
  /** Memory of the containers that run on them. */
  runningMiB = 0;
  /** The largest instance that it could ever give; what is larger need not wait for it. */
  memoryMiBMax = 0;
  /** Of a fixed offer: a pause after launches that failed. */
  readonly launches: Backoff;
  /** Of a variable one: its refusals and losses, by which it is chosen or avoided. */
  readonly record = new OfferRecord();
  readonly history = new TermsHistory();

  constructor(id: OfferId, launchBackoffMs: number) {
    this.id = id;
    this.launches = new Backoff(launchBackoffMs);
  }

  update(offer: Offer, nowMs: number): void {
    this.offer = offer;
    this.memoryMiBMax = Math.max(this.memoryMiBMax, largestOf(offer));
    this.history.record(offer.priceUsdPerHour, offer.demandLevel, nowMs);
  }

  get isVariable(): boolean {
    return this.offer?.subPool === "variable";
  }

  /** Whether an instance may be asked for now, as far as its past tells. */
  mayLaunch(nowMs: number): boolean {
    return this.notBeforeMs <= nowMs;
  }

  get notBeforeMs(): number {
    return this.isVariable ? this.record.notBeforeMs : this.launches.notBeforeMs;
  }

  /** Several that were asked for together and fail together count once. */
  launchFailed(nowMs: number): void {
    if (!this.mayLaunch(nowMs)) return;
    this.launches.failed(nowMs);
    this.record.refused(nowMs);
  }

  /** An instance of it can be used. */
  launchSucceeded(): void {
    this.launches.succeeded();
    this.record.succeeded();
  }

  /** The shape of an instance for a function of this size; undefined: it gives none that large. */
  shapeFor(memoryMiB: number): Shape | undefined {
    if (this.offer === undefined) return undefined;
    const { shape, isElastic, capacity } = this.offer;
    if (memoryMiB <= shape.memoryMiB) return shape;
    if (!isElastic || memoryMiB > (capacity?.memoryMiB ?? Number.POSITIVE_INFINITY)) return undefined;
    const cpuMilli = Math.ceil((shape.cpuMilli * memoryMiB) / shape.memoryMiB);
    return { memoryMiB, cpuMilli: Math.min(capacity?.cpuMilli ?? cpuMilli, cpuMilli) };
  }

  /** Whether one more instance of this shape can be taken now, as far as is known. */
  hasRoomFor(shape: Shape): boolean {
    if (this.offer === undefined || !this.offer.isAvailable) return false;
    return this.takenMiB + shape.memoryMiB <= (this.offer.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY);
  }

  /** Of an instance that is yet to be launched. */
  get terms(): Terms {
    return { subPool: this.offer?.subPool ?? "fixed", offer: this.offer, remainingMs: this.offer?.noticeMs ?? 0 };
  }

  /** USD per GiB-hour; what makes offers of different types comparable. */
  get unitPriceUsd(): number {
    if (this.offer === undefined) return Number.POSITIVE_INFINITY;
    return (this.offer.priceUsdPerHour * 1024) / Math.max(1, this.offer.shape.memoryMiB);
  }
}

/** What a host can spare comes and goes; that there is little now says nothing about the largest instance it will give. */
function largestOf({ isElastic, subPool, capacity, shape }: Offer): number {
  if (!isElastic) return shape.memoryMiB;
  return subPool === "variable" ? Number.POSITIVE_INFINITY : (capacity?.memoryMiB ?? Number.POSITIVE_INFINITY);
}

/** What can be had, on which terms, and what each account may have of it. It holds facts; choosing is `choose-offer.ts`. */
export class Market {
  readonly #launchBackoffMs: number;
  readonly #offers = new Map<OfferId, OfferState>();
  readonly #accounts = new Map<AccountId, AccountTerms>();

  constructor({ launchBackoffMs }: Settings) {
    this.#launchBackoffMs = launchBackoffMs;
  }

  /** The state of an offer, made on first sight. */
  stateOf(id: OfferId): OfferState {
    let state = this.#offers.get(id);
    if (state === undefined) {
      state = new OfferState(id, this.#launchBackoffMs);
      this.#offers.set(id, state);
    }
    return state;
  }

  publish(offers: readonly Offer[], nowMs: number): void {
    for (const offer of offers) this.stateOf(offer.id).update(offer, nowMs);
  }

  offers(): Iterable<OfferState> {
    return this.#offers.values();
  }

  termsOf(accountId: AccountId): AccountTerms {
    return this.#accounts.get(accountId) ?? DEFAULT_TERMS;
  }

  setTerms(accountId: AccountId, terms: AccountTerms | undefined): void {
    if (terms === undefined) this.#accounts.delete(accountId);
    else this.#accounts.set(accountId, terms);
  }

  /** Accounts about which something was said. */
  accounts(): ReadonlyMap<AccountId, AccountTerms> {
    return this.#accounts;
  }

  /** Whether some account may use variable capacity: only then some of it is held ready. */
  get isVariableWanted(): boolean {
    for (const terms of this.#accounts.values()) if (terms.usesVariable) return true;
    return false;
  }

  /** Whether no offer that the account may ever use could hold this much; false while none is known. */
  isTooLarge(terms: AccountTerms, memoryMiB: number): boolean {
    let isKnown = false;
    for (const { offer, memoryMiBMax } of this.#offers.values()) {
      if (offer === undefined || !mayEverUse(terms, offer.subPool)) continue;
      if (memoryMiBMax >= memoryMiB) return false;
      isKnown = true;
    }
    return isKnown;
  }
}

function mayEverUse(terms: AccountTerms, subPool: SubPool): boolean {
  return subPool === "fixed" ? terms.mayUseFixed : terms.usesVariable;
}
