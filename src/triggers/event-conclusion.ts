import type { Delivery, EventCondition, EventOutcome } from "../model/event-outcome.ts";
import { executionErrorOf } from "../model/execution-error.ts";
import type { EventInvokeConfig } from "../ports/event-invoke-config.ts";
import type { QueuedEvent } from "../ports/event-store.ts";
import type { InvokeAnswer } from "../ports/invoker.ts";

/** What is said at the end of an event, and to whom. */
export type EventConclusion = {
  readonly outcome: EventOutcome;
  readonly response: Buffer | undefined;
  /** Empty: nobody is to be told. */
  readonly deliveries: readonly Delivery[];
};

export type EventEnd = {
  readonly condition: EventCondition;
  /** Of the last attempt; undefined: there was none. */
  readonly answer: InvokeAnswer | undefined;
  readonly executedVersion: string;
  readonly timeoutMs: number;
  readonly endedMs: number;
};

/** Puts together the outcome of an event. @param deadLetter where the function's own configuration sends events that failed. */
export function concludeEvent(
  event: QueuedEvent,
  end: EventEnd,
  config: EventInvokeConfig | undefined,
  deadLetter: string | undefined,
): EventConclusion {
  const { condition, answer, executedVersion, endedMs } = end;
  const isSuccess = condition === "Success";
  const response = answer === undefined ? undefined : responseOf(event, answer, end.timeoutMs);
  const destination = isSuccess ? config?.onSuccess : config?.onFailure;
  const delivery = (kind: Delivery["kind"], to: string): Delivery => ({
    kind,
    to,
    attempts: 0,
    nextAttemptMs: endedMs,
  });
  return {
    outcome: {
      condition,
      endedMs,
      invokeCount: event.attempts,
      execution: response === undefined ? undefined : { executedVersion, isFunctionError: !isSuccess },
    },
    response,
    deliveries: [
      ...(deadLetter === undefined || isSuccess ? [] : [delivery("deadLetter", deadLetter)]),
      ...(destination === undefined ? [] : [delivery("destination", destination)]),
    ],
  };
}

/** undefined: the function did not run, or the system failed around it. */
function responseOf(event: QueuedEvent, answer: InvokeAnswer, timeoutMs: number): Buffer | undefined {
  if (answer.kind === "rejected") return undefined;
  const { outcome, exit, payload } = answer;
  if (outcome === "agentFault" || outcome === "invalidPayload") return undefined;
  const error = executionErrorOf(outcome, exit, event.id, timeoutMs);
  return error === undefined ? payload : Buffer.from(JSON.stringify(error));
}
