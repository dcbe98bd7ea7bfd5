import type { AccountId, InvocationId } from "../model/ids.ts";

/** An accepted asynchronous invocation that has no final outcome yet. */
export type QueuedEvent = {
  readonly id: InvocationId;
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST` or a version; resolved again at every attempt, as Lambda does. */
  readonly qualifier: string;
  readonly payload: Buffer;
  readonly invokedArn: string;
  readonly clientContext: string | undefined;
  readonly traceId: string | undefined;
  readonly acceptedMs: number;
  /** Executions begun so far. More than 0 marks the next one as a retry. */
  readonly attempts: number;
  /** Executions that the function itself failed: only these count towards its retries. */
  readonly functionFailures: number;
  readonly nextAttemptMs: number;
  /** When it must be done, by the host's clock; undefined: it is due at once. */
  readonly deadlineMs: number | undefined;
};

/** The durable queue of asynchronous invocations. Every promise resolves once the change survives a crash. */
export type EventStore = {
  append(event: QueuedEvent): Promise<void>;
  /** Everything unfinished, oldest first. */
  load(): Promise<QueuedEvent[]>;
  /** Recorded before the execution begins, so that an execution after a crash is known to be a retry. */
  beginAttempt(id: InvocationId, attempts: number): Promise<void>;
  reschedule(
    id: InvocationId,
    next: Pick<QueuedEvent, "attempts" | "functionFailures" | "nextAttemptMs">,
  ): Promise<void>;
  /** Removes the event; its outcome is final. Idempotent. */
  finish(id: InvocationId): Promise<void>;
};
