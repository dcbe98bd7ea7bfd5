import { type ErrorCode, HearthError } from "../model/error-code.ts";
import type { EventCondition } from "../model/event-outcome.ts";
import { functionIdOf } from "../model/function-id.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { Attempt, RetryDecision } from "../model/retry.ts";
import { throttleReasonOf } from "../model/throttle-reason.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventInvokeConfig } from "../ports/event-invoke-config.ts";
import type { ConcludedEvent, EventStore, QueuedEvent } from "../ports/event-store.ts";
import type { InvokeAnswer, InvokeRequest } from "../ports/invoker.ts";
import type { Log } from "../ports/log.ts";
import type { ScheduleTick } from "../ports/schedule.ts";
import { concludeEvent } from "./event-conclusion.ts";
import { FairLines } from "./fair-lines.ts";

/** The bounds are the control core's settings (`RetrySettings`). */
export type AsyncQueueOptions = {
  readonly events: EventStore;
  /** `damaged`: the function is there, its code is not; it may be mended. */
  resolve(accountId: AccountId, name: string, qualifier: string): FunctionVersion | "missing" | "damaged";
  /** Runs one attempt; `answer` is called once, `acknowledge` releases the result that the agent keeps. */
  run(request: InvokeRequest, retries: number, answer: (answer: InvokeAnswer, acknowledge: () => void) => void): void;
  decide(attempt: Attempt, nowMs: number): RetryDecision;
  isFunctionFailure(result: Attempt["result"]): boolean;
  /** What the owner of the function says about its events. */
  configOf(accountId: AccountId, name: string, qualifier: string): EventInvokeConfig | undefined;
  /** Where events of the function go that failed for good, apart from its destinations; undefined: nowhere. */
  deadLetterOf(accountId: AccountId, name: string, qualifier: string): string | undefined;
  /** An event's outcome is recorded, and somebody is to be told of it. */
  onConcluded(event: ConcludedEvent): void;
  /** Events of which somebody is still to be told; they count towards the queue's length. */
  undeliveredCount(): number;
  readonly runningMax: number;
  readonly runningPerAccountMax: number;
  readonly queueLengthMax: number;
  readonly queueBytesMax: number;
  readonly eventAgeMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
};

/** Refusals of executions that had begun: their effects may be there. */
const CUT_OFF: ReadonlySet<ErrorCode> = new Set(["INSTANCE_LOST", "RECLAIMED"]);

type State = "writing" | "loaded" | "ready" | "running" | "waiting" | "delayed";

type Entry = {
  event: QueuedEvent;
  state: State;
  /** When its age and its next attempt are counted from, and to; monotonic: the host's clock may be set meanwhile. */
  readonly agesFromMs: number;
  dueMs: number;
  /** In a row. */
  systemFailures: number;
  /** Exactly while delayed. */
  timer: NodeJS.Timeout | undefined;
  /** Of its latest attempt. */
  hasBegun: boolean;
  /** An attempt has begun, of whatever server, as far as is known. */
  hasRun: boolean;
  /** undefined: none was begun by this server. */
  version: FunctionVersion | undefined;
};

/** Longest pause of a stored event before its next attempt, whatever the host's clock was set to when that was planned. */
const STORED_PAUSE_MS_MAX = 600_000;
/** setTimeout's longest delay; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** What an event takes besides its own bytes: objects, map entries, a row's buffers. */
const EVENT_OVERHEAD_BYTES = 1024;
/** Pause before something that could not be recorded is tried again, and its longest. */
const RECORD_PAUSE_MS = 250;
const RECORD_PAUSE_MS_MAX = 30_000;

/**
 * Asynchronous invocations: durable from their acceptance to their final outcome.
 *
 *     writing ──▶ ready ──▶ running ──▶ (done, given up)
 *        │          ▲          │ ▲
 *        │          │          ▼ │
 *     loaded ───────┤       waiting
 *        │          │          │
 *        └──────────┴────── delayed
 *
 * - writing: accepted, being written to the store; nothing else may happen to it.
 * - loaded: found in the store, or written before `start`; waits for it.
 * - ready: waits for a free place among the running ones; accounts take turns. One with a deadline needs no place: it
 *   is handed out at once, to be held by the core.
 * - running: its attempt is recorded and handed out; or an agent that outlived an earlier server executes it
 *   or keeps its result (`adopt`). Left when its outcome is recorded.
 * - waiting: it was handed out and did not begin at once: it waits for capacity, as long as its account's settings say. It
 *   keeps one of its account's places, unless it has a deadline, and none of the others'. Left when it begins (`begun`).
 * - delayed: waits for its next attempt; has a timer. One that was throttled leaves earlier, when an execution of its function
 *   ends: a function of which few may run at a time then runs one after the other, and not one per pause.
 *
 * Every way out of running and waiting is recorded before the agent may forget the result, and recording is tried until it
 * succeeds. So a crash at any point either finds the result again or knows that the next attempt is a retry.
 */
export class AsyncQueue {
  readonly #options: AsyncQueueOptions;
  readonly #entries = new Map<InvocationId, Entry>();
  readonly #ready = new FairLines<AccountId, Entry>();
  /** Delayed because they were throttled, by function; in that order. */
  readonly #throttled = new Map<string, Set<Entry>>();
  /** With a deadline, ready to be handed out. */
  #sheltered: Entry[] = [];
  readonly #placesByAccount = new Map<AccountId, number>();
  #running = 0;
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
    for (const event of await this.#options.events.load()) this.#add(event, "loaded");
  }

  /** An agent executes this invocation, or holds its result: it is not begun anew. `settle` follows. */
  adopt(id: InvocationId): void {
    const entry = this.#entries.get(id);
    if (entry?.state === "loaded") this.#enter(entry, "running");
  }

  /** An attempt that was handed out has begun; it may be said while it is being handed out. */
  begun(id: InvocationId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.hasBegun = true;
    if (entry.state === "waiting") this.#enter(entry, "running");
  }

  /** Begins to hand out what is due. */
  start(): void {
    this.#isStarted = true;
    for (const entry of this.#entries.values()) if (entry.state === "loaded") this.#schedule(entry);
    this.#pump();
  }

  /**
   * Accepts an invocation; one that is there already, under the same id, is accepted before.
   * @param tick of the schedule that made it. @throws HearthError QUEUE_FULL, STORE_FAILED, SHUTTING_DOWN.
   */
  accept(request: InvokeRequest, tick?: ScheduleTick): Promise<void> {
    return this.#accept(request, tick, this.#options.queueLengthMax);
  }

  /**
   * Accepts an invocation that tells of another one's outcome. It takes the place of what was undelivered and counted, so
   * its number is bounded already: a queue that is full of undelivered outcomes could not be emptied otherwise.
   * @throws HearthError as `accept`.
   */
  acceptDelivery(request: InvokeRequest): Promise<void> {
    return this.#accept(request, undefined, Number.POSITIVE_INFINITY);
  }

  async #accept(request: InvokeRequest, tick: ScheduleTick | undefined, queueLengthMax: number): Promise<void> {
    const { queueBytesMax, clock, events } = this.#options;
    if (this.#isClosed) throw new HearthError("SHUTTING_DOWN");
    if (this.#entries.has(request.id)) return;
    const nowMs = clock.nowMs();
    const { id, version, payload, invokedArn, clientContext, traceId, traceState, deadlineMs } = request;
    const event: QueuedEvent = {
      id,
      accountId: version.accountId,
      functionName: version.name,
      qualifier: qualifierIn(invokedArn, version),
      payload,
      invokedArn,
      clientContext,
      traceId,
      traceState,
      trigger: request.trigger ?? "other",
      acceptedMs: nowMs,
      attempts: 0,
      functionFailures: 0,
      nextAttemptMs: nowMs,
      deadlineMs,
    };
    const length = this.#entries.size + this.#options.undeliveredCount();
    if (length >= queueLengthMax || this.#bytes + bytesOf(event) > queueBytesMax) {
      throw new HearthError("QUEUE_FULL");
    }
    const entry = this.#add(event, "writing"); // Counts towards the bounds while it is being written.
    try {
      await events.append(event, tick);
    } catch (error) {
      this.#remove(entry);
      throw error;
    }
    this.#enter(entry, this.#isStarted ? "ready" : "loaded");
    this.#pump();
  }

  /** The outcome of an adopted attempt, of which no caller of ours waits. */
  settle(id: InvocationId, answer: InvokeAnswer, acknowledge: () => void): void {
    const entry = this.#entries.get(id);
    if (entry?.state === "running") void this.#ended(entry, answer, acknowledge);
    else acknowledge(); // Recorded before: it was told twice.
  }

  /** Nothing more is handed out; what is accepted stays in the store. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }

  #add(event: QueuedEvent, state: State): Entry {
    const { clock } = this.#options;
    const [nowMs, offsetMs] = [clock.nowMs(), clock.nowMs() - clock.monotonicMs()];
    const { acceptedMs, deadlineMs = acceptedMs, nextAttemptMs } = event;
    // Accepted in the future: the clock was set back since, and says nothing of the pause that is left.
    const isKnown = acceptedMs <= nowMs;
    const entry: Entry = {
      event,
      state,
      // One with a deadline may be held until then, so it does not age out before; its retries come after.
      agesFromMs: Math.max(isKnown ? acceptedMs : nowMs, deadlineMs) - offsetMs,
      dueMs: (isKnown ? Math.min(nextAttemptMs, nowMs + STORED_PAUSE_MS_MAX) : nowMs) - offsetMs,
      systemFailures: 0,
      timer: undefined,
      hasBegun: false,
      hasRun: event.functionFailures > 0,
      version: undefined,
    };
    this.#entries.set(event.id, entry);
    this.#bytes += bytesOf(event);
    return entry;
  }

  #remove(entry: Entry): void {
    this.#enter(entry, "writing"); // Out of every count.
    this.#entries.delete(entry.event.id);
    this.#bytes -= bytesOf(entry.event);
  }

  /** The only place where an entry changes its state. */
  #enter(entry: Entry, state: State): void {
    const { accountId } = entry.event;
    this.#count(entry, -1);
    this.#dropThrottled(entry);
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.state = state;
    this.#count(entry, 1);
    if (state !== "ready") return;
    if (deadlineOf(entry) === undefined) this.#ready.push(accountId, entry);
    else this.#sheltered.push(entry);
  }

  /** Who waits for capacity of its account's own choosing takes no place from other accounts. */
  #count(entry: Entry, step: 1 | -1): void {
    const { accountId } = entry.event;
    if (entry.state === "running") this.#running += step;
    if (entry.state !== "running" && (entry.state !== "waiting" || deadlineOf(entry) !== undefined)) return;
    const count = (this.#placesByAccount.get(accountId) ?? 0) + step;
    if (count > 0) this.#placesByAccount.set(accountId, count);
    else this.#placesByAccount.delete(accountId);
  }

  /** To its next attempt: now, or when it is due. */
  #schedule(entry: Entry): void {
    const delayMs = entry.dueMs - this.#options.clock.monotonicMs();
    if (delayMs <= 0) return this.#enter(entry, "ready");
    this.#enter(entry, "delayed");
    if (this.#isClosed) return;
    const due = () => {
      this.#schedule(entry); // Not yet, if it was further away than a timer reaches.
      this.#pump();
    };
    entry.timer = setTimeout(due, Math.min(delayMs, TIMER_MS_MAX));
  }

  #pump(): void {
    if (!this.#isStarted || this.#isClosed) return;
    const { runningMax, runningPerAccountMax } = this.#options;
    const sheltered = this.#sheltered;
    this.#sheltered = [];
    for (const entry of sheltered) this.#handOut(entry);
    const mayRun = (accountId: AccountId) => (this.#placesByAccount.get(accountId) ?? 0) < runningPerAccountMax;
    while (this.#running < runningMax) {
      const entry = this.#ready.take(mayRun);
      if (entry === undefined) return;
      this.#handOut(entry);
    }
  }

  #handOut(entry: Entry): void {
    this.#enter(entry, "running");
    void this.#attempt(entry);
  }

  async #attempt(entry: Entry): Promise<void> {
    const { events, resolve, run, log, clock, eventAgeMsMax } = this.#options;
    const { event } = entry;
    const { id, functionName, payload, invokedArn, clientContext, traceId, traceState, trigger } = event;
    const deadlineMs = deadlineOf(entry);
    const { ageMsMax = eventAgeMsMax } = this.#configOf(event) ?? {};
    if (clock.monotonicMs() - entry.agesFromMs > ageMsMax) {
      const condition = "EventAgeExceeded";
      log.warn({ invocationId: id, functionName, condition }, "asynchronous invocation given up");
      return this.#conclude(entry, condition, undefined, () => {});
    }
    const version = resolve(event.accountId, functionName, event.qualifier);
    if (version === "missing") {
      log.warn({ invocationId: id, functionName }, "asynchronous invocation dropped: its function is gone");
      return this.#finish(entry, () => {});
    }
    const retries = event.attempts;
    entry.event = { ...event, attempts: retries + 1 };
    if (version === "damaged") return this.#ended(entry, { kind: "rejected", code: "STORE_FAILED" }, () => {});
    try {
      await events.beginAttempt(id, retries + 1);
    } catch (error) {
      log.error({ invocationId: id, error }, "asynchronous invocation delayed: its attempt could not be recorded");
      return this.#ended(entry, { kind: "rejected", code: "STORE_FAILED" }, () => {});
    }
    entry.hasBegun = false;
    entry.version = version;
    run(
      { id, version, payload, invokedArn, clientContext, traceId, traceState, trigger, deadlineMs, logTail: false },
      retries,
      (answer, acknowledge) => {
        void this.#ended(entry, answer, acknowledge);
      },
    );
    if (entry.hasBegun || entry.state !== "running") return;
    this.#enter(entry, "waiting");
    this.#pump();
  }

  async #ended(entry: Entry, answer: InvokeAnswer, acknowledge: () => void): Promise<void> {
    const { decide, isFunctionFailure, clock, log } = this.#options;
    const { event } = entry;
    const { id, functionName } = event;
    const result = answer.kind === "rejected" ? { rejected: answer.code } : { outcome: answer.outcome };
    // A refused attempt never ran: it is no reason to mark the next one as a retry.
    const neverRan = answer.kind === "rejected" && !CUT_OFF.has(answer.code);
    const attempts = neverRan ? Math.max(0, event.attempts - 1) : event.attempts;
    entry.hasRun ||= !neverRan;
    const isFunction = isFunctionFailure(result);
    const functionFailures = event.functionFailures + (isFunction ? 1 : 0);
    entry.systemFailures = isFunction ? 0 : entry.systemFailures + 1;
    const { systemFailures } = entry;
    const nowMs = clock.monotonicMs();
    if (answer.kind === "finished") this.#hurryThrottled(entry);
    if ("rejected" in result && result.rejected === "SHUTTING_DOWN") {
      entry.dueMs = nowMs;
      return this.#reschedule(entry, { ...event, attempts }, acknowledge);
    }
    const limits = this.#configOf(event);
    const decision = decide({ functionFailures, systemFailures, acceptedMs: entry.agesFromMs, result, limits }, nowMs);
    const fields = { invocationId: id, functionName, ...result, ...decision };
    if (decision.kind === "retry") {
      log.info(fields, "asynchronous invocation will be retried");
      entry.dueMs = decision.atMs;
      await this.#reschedule(entry, { ...event, attempts, functionFailures }, acknowledge);
      if ("rejected" in result && throttleReasonOf(result.rejected) !== undefined) this.#addThrottled(entry);
      return;
    }
    entry.event = { ...event, attempts, functionFailures };
    if (decision.kind === "done") return this.#conclude(entry, "Success", answer, acknowledge);
    log.warn(fields, "asynchronous invocation given up");
    return this.#conclude(entry, decision.condition, answer, acknowledge);
  }

  /** Its outcome is final: recorded if somebody is to be told of it, before the agent may forget the result. */
  async #conclude(
    entry: Entry,
    condition: EventCondition,
    answer: InvokeAnswer | undefined,
    acknowledge: () => void,
  ): Promise<void> {
    const { events, resolve, deadLetterOf, clock } = this.#options;
    const { event } = entry;
    const { id, accountId, functionName, qualifier, invokedArn } = event;
    const resolved = entry.version ?? resolve(accountId, functionName, qualifier);
    const { version: executedVersion = qualifier, timeoutMs = 0 } = typeof resolved === "string" ? {} : resolved;
    const end = { condition, answer, executedVersion, timeoutMs, endedMs: clock.nowMs() };
    const deadLetter = deadLetterOf(accountId, functionName, qualifier);
    const { outcome, response, deliveries } = concludeEvent(event, end, this.#configOf(event), deadLetter);
    if (deliveries.length === 0) return this.#finish(entry, acknowledge);
    if (!(await this.#record(entry, () => events.conclude(id, outcome, response, deliveries)))) return;
    acknowledge();
    this.#remove(entry);
    this.#options.onConcluded({ id, accountId, functionName, qualifier, invokedArn, outcome, deliveries });
    this.#pump();
  }

  #addThrottled(entry: Entry): void {
    if (entry.state !== "delayed") return;
    const functionId = functionIdOf(entry.event.accountId, entry.event.functionName);
    const entries = this.#throttled.get(functionId);
    if (entries === undefined) this.#throttled.set(functionId, new Set([entry]));
    else entries.add(entry);
  }

  #dropThrottled(entry: Entry): void {
    if (entry.state !== "delayed") return;
    const functionId = functionIdOf(entry.event.accountId, entry.event.functionName);
    const entries = this.#throttled.get(functionId);
    if (entries?.delete(entry) === true && entries.size === 0) this.#throttled.delete(functionId);
  }

  /** An execution has ended: one more of its function may run now. */
  #hurryThrottled({ event: { accountId, functionName } }: Entry): void {
    const [first] = this.#throttled.get(functionIdOf(accountId, functionName)) ?? [];
    if (first === undefined) return;
    this.#enter(first, "ready");
    this.#pump();
  }

  #configOf({ accountId, functionName, qualifier }: QueuedEvent): EventInvokeConfig | undefined {
    return this.#options.configOf(accountId, functionName, qualifier);
  }

  /** To when the entry is due. */
  async #reschedule(entry: Entry, event: QueuedEvent, acknowledge: () => void): Promise<void> {
    const { clock, events } = this.#options;
    const { attempts, functionFailures } = event;
    const nextAttemptMs = Math.round(clock.nowMs() + (entry.dueMs - clock.monotonicMs()));
    const next = { attempts, functionFailures, nextAttemptMs };
    if (!(await this.#record(entry, () => events.reschedule(event.id, next)))) return;
    acknowledge();
    entry.event = { ...event, nextAttemptMs };
    this.#schedule(entry);
    this.#pump();
  }

  async #finish(entry: Entry, acknowledge: () => void): Promise<void> {
    if (!(await this.#record(entry, () => this.#options.events.finish(entry.event.id)))) return;
    acknowledge();
    this.#remove(entry);
    this.#pump();
  }

  /** Tries until it succeeds; meanwhile the entry keeps its place among the running. @returns false: closed before. */
  async #record(entry: Entry, write: () => Promise<void>): Promise<boolean> {
    for (let pauseMs = RECORD_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, RECORD_PAUSE_MS_MAX)) {
      try {
        await write();
        return true;
      } catch (error) {
        const { id: invocationId } = entry.event;
        this.#options.log.error(
          { invocationId, error },
          "the outcome of an asynchronous attempt could not be recorded",
        );
        if (this.#isClosed) return false;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }
}

/** What the function was invoked by; an alias is resolved anew at every attempt. */
function qualifierIn(invokedArn: string, { arn, version }: FunctionVersion): string {
  return invokedArn.startsWith(`${arn}:`) ? invokedArn.slice(arn.length + 1) : version;
}

/** By when it must begin. Once it has begun the deadline was kept: retries come after it, as of any other event. */
function deadlineOf({ event, hasRun }: Entry): number | undefined {
  return hasRun ? undefined : event.deadlineMs;
}

function bytesOf({ payload, clientContext, traceId, traceState }: QueuedEvent): number {
  const told = (clientContext?.length ?? 0) + (traceId?.length ?? 0) + (traceState?.length ?? 0);
  return EVENT_OVERHEAD_BYTES + payload.length + told;
}
