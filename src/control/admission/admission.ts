import type { RejectCode } from "../../model/error-code.ts";
import type { AccountId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Market } from "../market/market.ts";
import type { Settings } from "../settings.ts";

type Counts = { admitted: number; running: number };

/**
 * Counts the admitted invocations of each account, running or waiting, and says no at the bounds. Lambda counts an
 * invocation as concurrent from its acceptance to its end, and so does this; only those that may have to wait for variable
 * capacity, or are held for a better time, count when they run: their waiting is what the account asked for.
 */
export class Admission {
  readonly #settings: Settings;
  readonly #market: Market;
  readonly #counts = new Map<AccountId, Counts>();
  #admittedTotal = 0;

  constructor(settings: Settings, market: Market) {
    this.#settings = settings;
    this.#market = market;
  }

  /** @returns why the invocation must be refused, or undefined: it is admitted and counted. */
  admit(invocation: Invocation, waitingTotal: number): RejectCode | undefined {
    const { accountId, memoryMiB, deadlineMs } = invocation;
    const terms = this.#market.termsOf(accountId);
    if (this.#market.isTooLarge(terms, memoryMiB)) return "TOO_LARGE";
    const counts = this.#countsOf(accountId);
    const maySitOut = deadlineMs !== undefined || !terms.usesFixedAtOnce;
    if (!maySitOut && counts.admitted >= this.#settings.accountConcurrencyMax) return "CONCURRENCY_LIMIT";
    if (waitingTotal >= this.#settings.queueLengthMax) return "QUEUE_FULL";
    counts.admitted++;
    this.#admittedTotal++;
    return undefined;
  }

  /** Whether one more of the account may run now. */
  mayRun(accountId: AccountId): boolean {
    return (this.#counts.get(accountId)?.running ?? 0) < this.#settings.accountConcurrencyMax;
  }

  /** Counts an execution that an earlier server admitted. */
  adopt(accountId: AccountId): void {
    const counts = this.#countsOf(accountId);
    counts.admitted++;
    counts.running++;
    this.#admittedTotal++;
  }

  began(accountId: AccountId): void {
    this.#countsOf(accountId).running++;
  }

  /** Once for every admitted invocation, at its end. */
  release(accountId: AccountId, wasRunning: boolean): void {
    const counts = this.#countsOf(accountId);
    counts.admitted--;
    this.#admittedTotal--;
    if (wasRunning) counts.running--;
    if (counts.admitted === 0) this.#counts.delete(accountId);
  }

  get admittedTotal(): number {
    return this.#admittedTotal;
  }

  #countsOf(accountId: AccountId): Counts {
    let counts = this.#counts.get(accountId);
    if (counts === undefined) {
      counts = { admitted: 0, running: 0 };
      this.#counts.set(accountId, counts);
    }
    return counts;
  }
}
