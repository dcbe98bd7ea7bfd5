import type { RejectCode } from "../../model/error-code.ts";
import type { AccountId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Settings } from "../settings.ts";

/**
 * Counts the admitted invocations of each account, running or waiting, and says no at the bounds.
 * Lambda counts an invocation as concurrent from its acceptance to its end, and so does this.
 */
export class Admission {
  readonly #settings: Settings;
  readonly #admitted = new Map<AccountId, number>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** @returns why the invocation must be refused, or undefined: it is admitted and counted. */
  admit(invocation: Invocation, queueLength: number): RejectCode | undefined {
    const { accountConcurrencyMax, queueLengthMax, capacity } = this.#settings;
    if (invocation.memoryMiB > capacity.memoryMiB) return "TOO_LARGE";
    const admitted = this.#admitted.get(invocation.accountId) ?? 0;
    if (admitted >= accountConcurrencyMax) return "CONCURRENCY_LIMIT";
    if (queueLength >= queueLengthMax) return "QUEUE_FULL";
    this.#admitted.set(invocation.accountId, admitted + 1);
    return undefined;
  }

  /** Counts an execution that an earlier server admitted. */
  adopt(accountId: AccountId): void {
    this.#admitted.set(accountId, (this.#admitted.get(accountId) ?? 0) + 1);
  }

  /** Once for every admitted invocation, at its end. */
  release(accountId: AccountId): void {
    const admitted = (this.#admitted.get(accountId) ?? 0) - 1;
    if (admitted > 0) this.#admitted.set(accountId, admitted);
    else this.#admitted.delete(accountId);
  }

  admittedTotal(): number {
    let total = 0;
    for (const count of this.#admitted.values()) total += count;
    return total;
  }
}
