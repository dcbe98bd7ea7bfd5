import type { Offer } from "../model/capacity.ts";
import type { Event } from "../model/event.ts";
import type { AccountId, FunctionKey, OfferId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import { AccountBook } from "./account-book.ts";
import { NOTHING_SAID, type TermsSeen, usesFixedAtOnce } from "./capacity-rules.ts";
import { ConcurrencyBooks } from "./concurrency-books.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import type { SimulatedInvocation } from "./simulated-invocation.ts";
import { violated } from "./violation.ts";

/** An offer as it was told last. */
export type OfferSeen = {
  offer: Offer;
  /** The largest instance that it could give at any time so far. */
  memoryMiBMax: number;
  /** When the core last had a reason to avoid it. */
  failedMs: number;
};

/** How much of the longest execution remains after a shorter one; docs/design/0007-capacity.md calls it a decayed maximum. */
const LONGEST_KEPT = 0.98;

/**
 * What the core of now was told, in the world's own books: checks go by this, for nobody can act on what nobody told him. A
 * new server's core was told nothing.
 */
export class Known {
  readonly offers = new Map<OfferId, OfferSeen>();
  /** Invocations that have no lease, by function; only those that were not placed when they came. */
  readonly waiting = new Map<FunctionKey, Set<SimulatedInvocation>>();
  readonly #accounts = new Map<AccountId, AccountBook>();
  readonly #longestMs = new Map<FunctionKey, number>();
  readonly concurrency: ConcurrencyBooks;
  waitingTotal = 0;
  #wallOffsetMs = 0;

  /** @param accountConcurrencyMax executions at a time of each account. */
  constructor(accountConcurrencyMax: number) {
    this.concurrency = new ConcurrencyBooks(accountConcurrencyMax);
  }

  get accounts(): Iterable<AccountBook> {
    return this.#accounts.values();
  }

  account(id: AccountId): AccountBook {
    let book = this.#accounts.get(id);
    if (book === undefined) {
      book = new AccountBook(id);
      this.#accounts.set(id, book);
    }
    return book;
  }

  /** What time it is for windows. */
  wallMs(nowMs: number): number {
    return nowMs + this.#wallOffsetMs;
  }

  /** To be called with each event about terms, before the core has it. */
  told(event: Event, nowMs: number): void {
    if (event.kind === "OffersChanged") for (const offer of event.offers) this.#offerTold(offer);
    else if (event.kind === "ConcurrencyConfigured") this.concurrency.told(event);
    else if (event.kind === "WallClockSet") this.#wallOffsetMs = event.offsetMs;
    else if (event.kind === "AccountCapacityChanged") {
      const book = this.account(event.accountId);
      book.capacity = event.capacity ?? NOTHING_SAID;
      book.toldMs = nowMs;
    }
  }

  /** A launch failed, or an instance of the offer was taken away. */
  failed(offerId: OfferId, nowMs: number): void {
    const seen = this.offers.get(offerId);
    if (seen !== undefined) seen.failedMs = nowMs;
  }

  termsOf({ subPool, offerId }: Pick<SimulatedInstance, "subPool" | "offerId">): TermsSeen {
    const offer = this.offers.get(offerId)?.offer;
    return { subPool, offer, remainingMs: offer?.noticeMs ?? 0 };
  }

  /** The core is about to be given an invocation. */
  arrives(invocation: SimulatedInvocation): void {
    const { account, deadlineMs } = invocation;
    this.waitingTotal++;
    account.waiting++;
    invocation.isCounted = deadlineMs === undefined && usesFixedAtOnce(account.capacity);
    if (invocation.isCounted) this.concurrency.add("counted", invocation, 1);
  }

  /** The core said that it runs. */
  began(invocation: SimulatedInvocation): void {
    invocation.account.running++;
    this.concurrency.add("counted", invocation, 1);
    this.concurrency.add("running", invocation, 1);
    const { ofAccount, ofShare } = this.concurrency.excess("running", invocation);
    if (ofAccount > 0)
      violated(`${invocation.id} was begun, ${ofAccount} above what account ${invocation.accountId} may`);
    if (ofShare > 0) violated(`${invocation.id} was begun, ${ofShare} above what ${invocation.functionKey} may run`);
  }

  /** An agent said that it runs. */
  adopted(invocation: Invocation): void {
    this.account(invocation.accountId).running++;
    this.concurrency.add("counted", invocation, 1);
    this.concurrency.add("running", invocation, 1);
  }

  /** The core counts it no more. */
  ended(invocation: SimulatedInvocation): void {
    invocation.account.running--;
    this.concurrency.add("counted", invocation, -1);
    this.concurrency.add("running", invocation, -1);
  }

  /** An invocation was given to the core and has no lease yet. */
  waits(invocation: SimulatedInvocation): void {
    const entries = this.waiting.get(invocation.functionKey);
    if (entries === undefined) this.waiting.set(invocation.functionKey, new Set([invocation]));
    else entries.add(invocation);
    invocation.isListedWaiting = true;
  }

  waitsNoMore(invocation: SimulatedInvocation): void {
    invocation.account.waiting--;
    this.waitingTotal--;
    if (invocation.isCounted) this.concurrency.add("counted", invocation, -1);
    if (!invocation.isListedWaiting) return;
    invocation.isListedWaiting = false;
    const entries = this.waiting.get(invocation.functionKey);
    entries?.delete(invocation);
    if (entries?.size === 0) this.waiting.delete(invocation.functionKey);
  }

  executed(functionKey: FunctionKey, wallMs: number): void {
    this.#longestMs.set(functionKey, Math.max(wallMs, (this.#longestMs.get(functionKey) ?? 0) * LONGEST_KEPT));
  }

  /** The longest execution to be expected; undefined: none was seen. */
  longestMs(functionKey: FunctionKey): number | undefined {
    return this.#longestMs.get(functionKey);
  }

  serverEnded(): void {
    this.offers.clear();
    this.waiting.clear();
    this.#longestMs.clear();
    this.concurrency.serverEnded();
    this.waitingTotal = 0;
    this.#wallOffsetMs = 0;
    for (const book of this.#accounts.values()) {
      book.capacity = NOTHING_SAID;
      book.waiting = 0;
      book.running = 0;
    }
  }

  #offerTold(offer: Offer): void {
    const largest = largestOf(offer);
    const seen = this.offers.get(offer.id);
    if (seen === undefined) {
      this.offers.set(offer.id, { offer, memoryMiBMax: largest, failedMs: Number.NEGATIVE_INFINITY });
      return;
    }
    seen.offer = offer;
    seen.memoryMiBMax = Math.max(seen.memoryMiBMax, largest);
  }
}

/** What a variable host can spare says nothing about what it may give another time. */
function largestOf({ isElastic, subPool, capacity, shape }: Offer): number {
  if (!isElastic) return shape.memoryMiB;
  return subPool === "variable" ? Number.POSITIVE_INFINITY : (capacity?.memoryMiB ?? Number.POSITIVE_INFINITY);
}
