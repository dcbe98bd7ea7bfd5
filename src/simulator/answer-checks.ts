import type { RejectCode } from "../model/error-code.ts";
import { mayUseFixed, usesFixedAtOnce, usesVariable } from "./capacity-rules.ts";
import type { Known } from "./known.ts";
import type { SimulatedInvocation } from "./simulated-invocation.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** When the core may take an invocation on, and when it may say no to one that has not begun. */
export class AnswerChecks {
  readonly #settings: World["settings"];
  readonly #known: Known;

  constructor({ settings }: World, known: Known) {
    this.#settings = settings;
    this.#known = known;
  }

  /** It was not refused when it came. The books have it already. */
  admitted({ id, account, deadlineMs, memoryMiB }: SimulatedInvocation): void {
    const { accountConcurrencyMax, queueLengthMax } = this.#settings;
    const admitted = account.waiting + account.running;
    const maySitOut = deadlineMs !== undefined || !usesFixedAtOnce(account.capacity);
    if (!maySitOut && admitted > accountConcurrencyMax) violated(`account ${account.id} has ${admitted} invocations`);
    if (this.#known.waitingTotal > queueLengthMax) violated(`${this.#known.waitingTotal} invocations wait`);
    if (this.#isTooLarge(account.capacity, memoryMiB)) violated(`invocation ${id} of ${memoryMiB} MiB was admitted`);
  }

  /** The books have it still. */
  refused(invocation: SimulatedInvocation, code: RejectCode, isShuttingDown: boolean, nowMs: number): void {
    const why = this.#whyWrong(invocation, code, isShuttingDown, nowMs);
    if (why !== undefined) violated(`invocation ${invocation.id} was refused with ${code}, but ${why}`);
  }

  #whyWrong(
    { account, arrivedMs, deadlineMs, dueMs, memoryMiB }: SimulatedInvocation,
    code: RejectCode,
    isShuttingDown: boolean,
    nowMs: number,
  ): string | undefined {
    const { accountConcurrencyMax, queueLengthMax, waitMsMax } = this.#settings;
    const { capacity, waiting, running } = account;
    const waitedMs = nowMs - arrivedMs;
    switch (code) {
      case "SHUTTING_DOWN":
        return isShuttingDown ? undefined : "the server goes on";
      case "TOO_LARGE":
        return this.#isTooLarge(capacity, memoryMiB) ? undefined : `an offer could hold its ${memoryMiB} MiB`;
      case "CONCURRENCY_LIMIT":
        if (deadlineMs !== undefined || !usesFixedAtOnce(capacity)) return "it may sit and wait";
        return waiting + running > accountConcurrencyMax ? undefined : `its account has ${waiting + running}`;
      case "QUEUE_FULL":
        return this.#known.waitingTotal > queueLengthMax ? undefined : `${this.#known.waitingTotal} wait`;
      case "DEADLINE_MISSED":
        return deadlineMs !== undefined && nowMs >= dueMs ? undefined : "it could be begun in time";
      case "NO_CAPACITY":
      case "LAUNCH_FAILED":
        if (deadlineMs !== undefined || !usesFixedAtOnce(capacity)) return "its account waits";
        return waitedMs >= waitMsMax ? undefined : `it waited for ${waitedMs} ms`;
      case "NO_VARIABLE_CAPACITY": {
        const { onShortage } = capacity;
        if (capacity.class !== "variable" || onShortage.kind !== "fail" || deadlineMs !== undefined)
          return "its account waits";
        return waitedMs >= onShortage.afterMs ? undefined : `it waited for ${waitedMs} ms`;
      }
      default:
        return "it does not run";
    }
  }

  /** Offers were told, and none that the account may ever use could ever hold it. */
  #isTooLarge(capacity: SimulatedInvocation["account"]["capacity"], memoryMiB: number): boolean {
    let isKnown = false;
    for (const { offer, memoryMiBMax } of this.#known.offers.values()) {
      if (offer.subPool === "fixed" ? !mayUseFixed(capacity) : !usesVariable(capacity)) continue;
      if (memoryMiBMax >= memoryMiB) return false;
      isKnown = true;
    }
    return isKnown;
  }
}
