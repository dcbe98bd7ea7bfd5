import { ERROR_CODES } from "../../model/error-code.ts";
import type { Attempt, RetryDecision } from "../../model/retry.ts";

/** How often and how long an asynchronous invocation is tried; AWS Lambda's own numbers by default. */
export type RetrySettings = {
  /** Pause before each retry after the function's own failure; their number is the number of retries. */
  readonly errorDelaysMs: readonly number[];
  /** First pause after a throttle or a fault of the system; doubles up to the maximum. */
  readonly systemDelayMs: number;
  readonly systemDelayMsMax: number;
  /** An event older than this is given up, unless its function's owner said otherwise. */
  readonly eventAgeMsMax: number;
  /** Executions of asynchronous invocations at the same time, of one account and of all. */
  readonly runningPerAccountMax: number;
  readonly runningMax: number;
  /** Accepted events without a final outcome. */
  readonly queueLengthMax: number;
  /** What they hold in memory together. */
  readonly queueBytesMax: number;
};

/** Two retries after 60 s and 120 s, throttles from 1 s to 5 min, 6 h in all (facts: AWS Lambda developer guide, "Error handling for asynchronous invocation"). */
export const DEFAULT_RETRY_SETTINGS: RetrySettings = {
  errorDelaysMs: [60_000, 120_000],
  systemDelayMs: 1_000,
  systemDelayMsMax: 300_000,
  eventAgeMsMax: 21_600_000,
  runningPerAccountMax: 200,
  runningMax: 1_000,
  queueLengthMax: 100_000,
  queueBytesMax: 256 * 1024 * 1024,
};

/** Decides what becomes of an asynchronous invocation after an attempt. */
export function decideRetry(attempt: Attempt, settings: RetrySettings, nowMs: number): RetryDecision {
  const { result, acceptedMs, functionFailures, systemFailures, limits = {} } = attempt;
  const { retriesMax = settings.errorDelaysMs.length, ageMsMax = settings.eventAgeMsMax } = limits;
  if ("outcome" in result && result.outcome === "ok") return { kind: "done" };
  if ("rejected" in result && !ERROR_CODES[result.rejected].retryable)
    return { kind: "giveUp", condition: "RetriesExhausted" };
  if (isFunctionFailure(result)) {
    const delayMs = settings.errorDelaysMs[functionFailures - 1];
    if (delayMs === undefined || functionFailures > retriesMax)
      return { kind: "giveUp", condition: "RetriesExhausted" };
    return retryAt(nowMs + delayMs, acceptedMs, ageMsMax, "functionFailed");
  }
  const delayMs = Math.min(settings.systemDelayMs * 2 ** Math.min(systemFailures - 1, 30), settings.systemDelayMsMax);
  return retryAt(nowMs + delayMs, acceptedMs, ageMsMax, "systemFailed");
}

/** Whether it was the function that failed, and not the system around it. */
export function isFunctionFailure(result: Attempt["result"]): boolean {
  return "outcome" in result && result.outcome !== "ok" && result.outcome !== "agentFault";
}

function retryAt(
  atMs: number,
  acceptedMs: number,
  ageMsMax: number,
  why: "functionFailed" | "systemFailed",
): RetryDecision {
  if (atMs - acceptedMs > ageMsMax) return { kind: "giveUp", condition: "EventAgeExceeded" };
  return { kind: "retry", atMs, why };
}
