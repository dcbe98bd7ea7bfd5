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
  admitted(invocation: SimulatedInvocation): void {
    const { id, account, memoryMiB, isCounted } = invocation;
    const { queueLengthMax } = this.#settings;
    const { concurrency } = this.#known;
    const { ofAccount, ofShare } = concurrency.excess("counted", invocation);
    if (isCounted && ofAccount > 0) violated(`account ${account.id} has ${ofAccount} invocations more than it may`);
    if (isCounted && ofShare > 0)
      violated(`${id} of ${invocation.functionKey} was admitted, ${ofShare} above its limit`);
    if (concurrency.reservedOf(invocation) === 0) violated(`${id} was admitted, and its function may not run at all`);
    if (this.#known.waitingTotal > queueLengthMax) violated(`${this.#known.waitingTotal} invocations wait`);
    if (this.#isTooLarge(account.capacity, memoryMiB)) violated(`invocation ${id} of ${memoryMiB} MiB was admitted`);
  }

  /** The books have it still. */
  refused(invocation: SimulatedInvocation, code: RejectCode, isShuttingDown: boolean, nowMs: number): void {
    const why = this.#whyWrong(invocation, code, isShuttingDown, nowMs);
    if (why !== undefined) violated(`invocation ${invocation.id} was refused with ${code}, but ${why}`);
  }

  #whyWrong(
    invocation: SimulatedInvocation,
    code: RejectCode,
    isShuttingDown: boolean,
    nowMs: number,
  ): string | undefined {
    const { account, arrivedMs, deadlineMs, dueMs, memoryMiB } = invocation;
    const { queueLengthMax, waitMsMax } = this.#settings;
    const { capacity } = account;
    const waitedMs = nowMs - arrivedMs;
    switch (code) {
      case "SHUTTING_DOWN":
        return isShuttingDown ? undefined : "the server goes on";
      case "TOO_LARGE":
        return this.#isTooLarge(capacity, memoryMiB) ? undefined : `an offer could hold its ${memoryMiB} MiB`;
      case "CONCURRENCY_LIMIT":
        return this.#isFull(invocation, waitedMs) ? undefined : "its account has fewer than it may";
      case "RESERVED_CONCURRENCY_LIMIT":
        return this.#whyNotReserved(invocation, waitedMs);
      case "SCALING_RATE_LIMIT":
        return this.#settings.scalingContainers < Number.POSITIVE_INFINITY ? undefined : "nothing bounds that";
      case "INVOCATION_RATE_LIMIT":
      case "RESERVED_INVOCATION_RATE_LIMIT":
        return this.#settings.requestsPerConcurrency < Number.POSITIVE_INFINITY ? undefined : "nothing bounds that";
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

  /** When it came: the books have it. In the end of its patience: it may not run. */
  #isFull(invocation: SimulatedInvocation, waitedMs: number): boolean {
    const { concurrency } = this.#known;
    const { ofAccount, ofShare } = concurrency.excess("counted", invocation);
    if (invocation.isCounted && (ofAccount > 0 || ofShare > 0)) return true;
    return waitedMs >= this.#settings.waitMsMax && !concurrency.mayRun(invocation);
  }

  #whyNotReserved(invocation: SimulatedInvocation, waitedMs: number): string | undefined {
    const { concurrency } = this.#known;
    const reserved = concurrency.reservedOf(invocation);
    if (reserved === undefined) return "its function reserves nothing";
    if (reserved === 0) return undefined;
    if (invocation.deadlineMs !== undefined) return "it may be held";
    const isFull = this.#isFull(invocation, waitedMs) || !(invocation.isCounted || concurrency.mayRun(invocation));
    return isFull ? undefined : `fewer than ${reserved} of its function run`;
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
