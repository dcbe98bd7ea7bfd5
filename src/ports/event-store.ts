import type { Delivery, EventOutcome } from "../model/event-outcome.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { Trigger } from "./invoker.ts";
import type { ScheduleTick } from "./schedule.ts";

/** An accepted asynchronous invocation that has no final outcome yet. */
export type QueuedEvent = {
  readonly id: InvocationId;
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST`, a version or an alias; resolved again at every attempt, as Lambda does. */
  readonly qualifier: string;
  readonly payload: Buffer;
  readonly invokedArn: string;
  readonly clientContext: string | undefined;
  readonly traceId: string | undefined;
  /** The caller's `tracestate`. */
  readonly traceState: string | undefined;
  /** undefined: an earlier version of Hearth accepted it. */
  readonly trigger: Trigger | undefined;
  readonly acceptedMs: number;
  /** Executions begun so far. More than 0 marks the next one as a retry. */
  readonly attempts: number;
  /** Executions that the function itself failed: only these count towards its retries. */
  readonly functionFailures: number;
  readonly nextAttemptMs: number;
  /** When it must be done, by the host's clock; undefined: it is due at once. */
  readonly deadlineMs: number | undefined;
};

/** An asynchronous invocation whose outcome is final and somebody is still to be told of. */
export type ConcludedEvent = Pick<QueuedEvent, "id" | "accountId" | "functionName" | "qualifier" | "invokedArn"> & {
  readonly outcome: EventOutcome;
  /** Never empty. */
  readonly deliveries: readonly Delivery[];
};

/** The bytes of a concluded event. */
export type ConcludedPayloads = {
  readonly payload: Buffer;
  /** What the last execution answered; undefined: none did. */
  readonly response: Buffer | undefined;
};

/** The durable queue of asynchronous invocations. Every promise resolves once the change survives a crash. */
export type EventStore = {
  /** @param tick of the schedule that made it; recorded with it, in one step. */
  append(event: QueuedEvent, tick?: ScheduleTick): Promise<void>;
  /** Everything without an outcome, oldest first. */
  load(): Promise<QueuedEvent[]>;
  /** Recorded before the execution begins, so that an execution after a crash is known to be a retry. */
  beginAttempt(id: InvocationId, attempts: number): Promise<void>;
  reschedule(
    id: InvocationId,
    next: Pick<QueuedEvent, "attempts" | "functionFailures" | "nextAttemptMs">,
  ): Promise<void>;
  /**
   * Records the outcome with what is to be delivered, in one step; the first one stays, and a later one or one of an
   * event that is gone changes nothing.
   */
  conclude(
    id: InvocationId,
    outcome: EventOutcome,
    response: Buffer | undefined,
    deliveries: readonly Delivery[],
  ): Promise<void>;
  /** Everything with an outcome, oldest first; without the bytes. */
  loadConcluded(): Promise<ConcludedEvent[]>;
  /** undefined: the event is gone or has no outcome. */
  payloadsOf(id: InvocationId): Promise<ConcludedPayloads | undefined>;
  /** Those of a concluded event that are left. */
  setDeliveries(id: InvocationId, deliveries: readonly Delivery[]): Promise<void>;
  /** Removes the event: its outcome is final and nobody is to be told of it any more. Idempotent. */
  finish(id: InvocationId): Promise<void>;
};
