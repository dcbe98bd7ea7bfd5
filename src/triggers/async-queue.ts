import { HearthError } from "../model/error-code.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { Attempt, RetryDecision } from "../model/retry.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventStore, QueuedEvent } from "../ports/event-store.ts";
import type { InvokeAnswer, InvokeRequest } from "../ports/invoker.ts";
import type { Log } from "../ports/log.ts";

export type AsyncQueueOptions = {
  readonly events: EventStore;
  resolve(accountId: AccountId, name: string, qualifier: string): FunctionVersion | undefined;
  /** Runs one attempt; `answer` is called once, `acknowledge` releases the result that the agent keeps. */
  run(request: InvokeRequest, retries: number, answer: (answer: InvokeAnswer, acknowledge: () => void) => void): void;
  decide(attempt: Attempt, nowMs: number): RetryDecision;
  readonly runningMax: number;
  readonly queueLengthMax: number;
  readonly queueBytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
};

type Entry = { event: QueuedEvent; systemFailures: number };

/** setTimeout's longest delay; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Asynchronous invocations: durable from their acceptance to their final outcome.
 *
 *     accepted ─▶ ready ─▶ running ─▶ done
 *                   ▲         │
 *                   └ delayed ┴▶ given up
 *
 * `ready`: waits for a free place among the running ones, oldest first. `running`: its attempt was
 * recorded durably and handed out; after a restart an attempt that an agent still executes, or whose
 * result it kept, is `running` as well (`adopt`). `delayed`: waits for its next attempt. Every way
 * out is written to the store before the agent may forget the result, so a crash at any point
 * either finds the result again or knows that the next attempt is a retry.
 */
export class AsyncQueue {
  readonly #options: AsyncQueueOptions;
  readonly #entries = new Map<InvocationId, Entry>();
  readonly #running = new Set<InvocationId>();
  readonly #delayed = new Map<InvocationId, NodeJS.Timeout>();
  #ready: InvocationId[] = [];
  #bytes = 0;
  #isStarted = false;
  #isClosed = false;

  constructor(options: AsyncQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.size;
  }

  get oldestAcceptedMs(): number | undefined {
    for (const { event } of this.#entries.values()) return event.acceptedMs;
    return undefined;
  }

  /** Reads what an earlier server left. Nothing runs before `start`. @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const event of await this.#options.events.load()) this.#add(event);
  }

  has(id: InvocationId): boolean {
    return this.#entries.has(id);
  }

  /** An agent executes this invocation, or holds its result: it is not begun anew. `settle` follows. */
  adopt(id: InvocationId): void {
    if (this.#entries.has(id)) this.#running.add(id);
  }

  /** Begins to hand out what is due. */
  start(): void {
    this.#isStarted = true;
    const nowMs = this.#options.clock.nowMs();
    for (const [id, { event }] of this.#entries) {
      if (this.#running.has(id)) continue;
      if (event.nextAttemptMs > nowMs) this.#delay(id, event.nextAttemptMs - nowMs);
      else this.#ready.push(id);
    }
    this.#pump();
  }

  /** Accepts an invocation. @throws HearthError QUEUE_FULL, STORE_FAILED. */
  async accept(request: InvokeRequest): Promise<void> {
    const { queueLengthMax, queueBytesMax, clock, events } = this.#options;
    if (this.#entries.size >= queueLengthMax || this.#bytes + request.payload.length > queueBytesMax) {
      throw new HearthError("QUEUE_FULL");
    }
    const nowMs = clock.nowMs();
    const { id, version, payload, invokedArn, clientContext, traceId } = request;
    const event: QueuedEvent = {
      id,
      accountId: version.accountId,
      functionName: version.name,
      qualifier: version.version,
      payload,
      invokedArn,
      clientContext,
      traceId,
      acceptedMs: nowMs,
      attempts: 0,
      nextAttemptMs: nowMs,
    };
    this.#add(event); // Counts towards the bounds while it is being written.
    try {
      await events.append(event);
    } catch (error) {
      this.#remove(id);
      throw error;
    }
    if (!this.#isStarted) return;
    this.#ready.push(id);
    this.#pump();
  }

  /** The outcome of an adopted attempt, of which no caller of ours waits. */
  settle(id: InvocationId, answer: InvokeAnswer, acknowledge: () => void): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) acknowledge();
    else void this.#ended(entry, answer, acknowledge);
  }

  /** Nothing more is handed out; what is accepted stays in the store. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#delayed.values()) clearTimeout(timer);
    this.#delayed.clear();
  }

  #add(event: QueuedEvent): void {
    this.#entries.set(event.id, { event, systemFailures: 0 });
    this.#bytes += event.payload.length;
  }

  #remove(id: InvocationId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.event.payload.length;
  }

  #delay(id: InvocationId, delayMs: number): void {
    const due = () => {
      this.#delayed.delete(id);
      this.#ready.push(id);
      this.#pump();
    };
    this.#delayed.set(id, setTimeout(due, Math.min(Math.max(0, delayMs), TIMER_MS_MAX)));
  }

  #pump(): void {
    if (!this.#isStarted || this.#isClosed) return;
    let taken = 0;
    while (taken < this.#ready.length && this.#running.size < this.#options.runningMax) {
      const entry = this.#entries.get(this.#ready[taken++] as InvocationId);
      if (entry === undefined) continue;
      this.#running.add(entry.event.id);
      void this.#attempt(entry);
    }
    if (taken > 0) this.#ready = this.#ready.slice(taken);
  }

  async #attempt(entry: Entry): Promise<void> {
    const { events, resolve, run, log } = this.#options;
    const { event } = entry;
    const version = resolve(event.accountId, event.functionName, event.qualifier);
    if (version === undefined) {
      log.warn(
        { invocationId: event.id, functionName: event.functionName },
        "asynchronous invocation dropped: its function is gone",
      );
      return this.#finish(entry, () => {});
    }
    const retries = event.attempts;
    entry.event = { ...event, attempts: retries + 1 };
    try {
      await events.beginAttempt(event.id, retries + 1);
    } catch (error) {
      log.error(
        { invocationId: event.id, error },
        "asynchronous invocation delayed: its attempt could not be recorded",
      );
      entry.event = event;
      return this.#ended(entry, { kind: "rejected", code: "STORE_FAILED" }, () => {});
    }
    const { id, payload, invokedArn, clientContext, traceId } = event;
    run(
      { id, version, payload, invokedArn, clientContext, traceId, logTail: false },
      retries,
      (answer, acknowledge) => {
        void this.#ended(entry, answer, acknowledge);
      },
    );
  }

  async #ended(entry: Entry, answer: InvokeAnswer, acknowledge: () => void): Promise<void> {
    const { decide, clock, log, events } = this.#options;
    const { id, functionName, acceptedMs } = entry.event;
    // Shut down before it ended: it stays in the store, and the next server finds it there.
    if (answer.kind === "rejected" && answer.code === "SHUTTING_DOWN") return;
    const neverRan = answer.kind === "rejected" && answer.code !== "INSTANCE_LOST";
    const attempts = entry.event.attempts - (neverRan && entry.event.attempts > 0 ? 1 : 0);
    const isSystem = answer.kind === "rejected" || answer.outcome === "agentFault";
    entry.systemFailures = isSystem ? entry.systemFailures + 1 : 0;
    const result = answer.kind === "rejected" ? { rejected: answer.code } : { outcome: answer.outcome };
    const nowMs = clock.nowMs();
    const decision = decide({ attempts, systemFailures: entry.systemFailures, acceptedMs, result }, nowMs);
    if (decision.kind !== "retry") {
      if (decision.kind === "giveUp")
        log.warn({ invocationId: id, functionName, ...result, ...decision }, "asynchronous invocation given up");
      return this.#finish(entry, acknowledge);
    }
    log.info({ invocationId: id, functionName, ...result, ...decision }, "asynchronous invocation will be retried");
    entry.event = { ...entry.event, attempts, nextAttemptMs: decision.atMs };
    try {
      await events.reschedule(id, attempts, decision.atMs);
      acknowledge();
    } catch (error) {
      // In memory it is rescheduled all the same; after a crash the recorded attempt counts as begun.
      log.error({ invocationId: id, error }, "the retry of an asynchronous invocation could not be recorded");
    }
    this.#running.delete(id);
    if (!this.#isClosed) this.#delay(id, decision.atMs - nowMs);
    this.#pump();
  }

  async #finish(entry: Entry, acknowledge: () => void): Promise<void> {
    const { events, log } = this.#options;
    const { id } = entry.event;
    try {
      await events.finish(id);
      acknowledge();
    } catch (error) {
      log.error(
        { invocationId: id, error },
        "the end of an asynchronous invocation could not be recorded; it may run again as a retry",
      );
    }
    this.#running.delete(id);
    this.#remove(id);
    this.#pump();
  }
}
