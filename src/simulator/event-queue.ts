import {
  DEFAULT_RETRY_SETTINGS,
  decideRetry,
  isFunctionFailure,
  type RetrySettings,
} from "../control/retry/async-retry.ts";
import type { ErrorCode } from "../model/error-code.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Attempt, GiveUpCondition } from "../model/retry.ts";
import { throttleReasonOf } from "../model/throttle-reason.ts";
import type { Caller } from "./caller.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** An accepted asynchronous invocation without a final outcome. Survives every server. */
export type SimulatedEvent = {
  readonly id: InvocationId;
  readonly caller: Caller;
  /** From its acceptance, or its deadline. */
  readonly agesFromMs: number;
  /** undefined: none, or it has begun. */
  deadlineMs: number | undefined;
  /** Executions begun. */
  attempts: number;
  functionFailures: number;
  systemFailures: number;
  /**
   * `delayed`: waits for its next attempt. `running`: the core has it. `adopted`: an agent still
   * executes what an earlier server began. `final`: nothing more will happen.
   */
  state: "delayed" | "running" | "adopted" | "final";
};

/** Refusals of executions that had begun. */
const CUT_OFF: ReadonlySet<ErrorCode> = new Set(["INSTANCE_LOST", "RECLAIMED"]);
/** Refusals that are nobody's failure to serve. */
const EXPLAINED: ReadonlySet<ErrorCode> = new Set(["TOO_LARGE", "DEADLINE_MISSED"]);

/** The durable queue of asynchronous invocations, as the server's trigger keeps it; the core's policy decides. */
export class EventQueue {
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #mustServe: boolean;
  /** What fits on the first fixed offer; a larger one waits for what variable hosts may never have to spare. */
  readonly #memoryMiBSure: number;
  readonly #settings: RetrySettings;
  readonly #unfinished = new Map<InvocationId, SimulatedEvent>();
  readonly #arrive: (event: SimulatedEvent) => void;

  /** @param arrive sends an attempt of an event to the core. */
  constructor(world: World, stage: Stage, report: Report, arrive: (event: SimulatedEvent) => void) {
    this.#stage = stage;
    this.#report = report;
    this.#mustServe = world.mustServe;
    this.#memoryMiBSure = world.capacity.offers[0]?.offer.capacity?.memoryMiB ?? 0;
    this.#settings = { ...DEFAULT_RETRY_SETTINGS, eventAgeMsMax: world.eventAgeMsMax };
    this.#arrive = arrive;
  }

  get length(): number {
    return this.#unfinished.size;
  }

  accept(id: InvocationId, caller: Caller, deadlineMs: number | undefined): void {
    const event: SimulatedEvent = {
      id,
      caller,
      agesFromMs: Math.max(this.#stage.nowMs, deadlineMs ?? 0),
      deadlineMs,
      attempts: 0,
      functionFailures: 0,
      systemFailures: 0,
      state: "delayed",
    };
    this.#unfinished.set(id, event);
    this.#attempt(event);
  }

  ended(event: SimulatedEvent, result: Attempt["result"]): void {
    if (event.state !== "running" && event.state !== "adopted") {
      violated(`event ${event.id} was put back into its queue while ${event.state}`);
    }
    event.state = "delayed";
    // Shut down before it ran: the next server finds it in the queue.
    if ("rejected" in result && result.rejected === "SHUTTING_DOWN") return;
    const neverRan = "rejected" in result && !CUT_OFF.has(result.rejected);
    if (neverRan) event.attempts--;
    else event.deadlineMs = undefined;
    const isFunction = isFunctionFailure(result);
    event.functionFailures += isFunction ? 1 : 0;
    event.systemFailures = isFunction ? 0 : event.systemFailures + 1;
    const { functionFailures, systemFailures, agesFromMs: acceptedMs } = event;
    const { nowMs } = this.#stage;
    const decision = decideRetry({ functionFailures, systemFailures, acceptedMs, result }, this.#settings, nowMs);
    if (decision.kind === "retry") return this.#retry(event, decision.atMs - nowMs);
    if (decision.kind === "giveUp") {
      this.#checkThrottled(event, result, decision.condition);
      this.#givenUp(event, result);
    }
    event.state = "final";
    this.#unfinished.delete(event.id);
  }

  /** A new server's agent says that it executes the invocation, or holds its result. */
  adopt(id: InvocationId): void {
    const event = this.#unfinished.get(id);
    if (event?.state === "delayed") event.state = "adopted";
  }

  /** The end of an attempt that is not the core's: of an earlier server, or answered for as lost. */
  endedLate(id: InvocationId, result: Attempt["result"]): void {
    const event = this.#unfinished.get(id);
    if (event?.state === "adopted") this.ended(event, result);
  }

  serverEnded(): void {
    for (const event of this.#unfinished.values()) event.state = "delayed";
  }

  /** What a new server does once the agents had time to join. */
  load(): void {
    for (const event of [...this.#unfinished.values()]) if (event.state === "delayed") this.#attempt(event);
  }

  #attempt(event: SimulatedEvent): void {
    event.state = "running";
    event.attempts++;
    this.#arrive(event);
  }

  #retry(event: SimulatedEvent, delayMs: number): void {
    const { serverRun } = this.#stage;
    this.#stage.later(delayMs, () => {
      const isSameServer = this.#stage.isServerUp && this.#stage.serverRun === serverRun;
      if (isSameServer && event.state === "delayed") this.#attempt(event);
    });
  }

  /** One that was throttled is lost by its age alone. */
  #checkThrottled({ id, agesFromMs }: SimulatedEvent, result: Attempt["result"], condition: GiveUpCondition): void {
    if (!("rejected" in result) || throttleReasonOf(result.rejected) === undefined) return;
    const ageMs = this.#stage.nowMs - agesFromMs;
    if (condition !== "EventAgeExceeded" || ageMs + this.#settings.systemDelayMsMax < this.#settings.eventAgeMsMax) {
      violated(`event ${id} was throttled (${result.rejected}) and lost after ${ageMs} ms (${condition})`);
    }
  }

  #givenUp(event: SimulatedEvent, result: Attempt["result"]): void {
    this.#report.givenUp++;
    if (!("rejected" in result) || EXPLAINED.has(result.rejected) || !this.#mustServe) return;
    if (event.caller.memoryMiB > this.#memoryMiBSure) return;
    violated(`event ${event.id} of ${event.caller.functionKey} could never run (${result.rejected})`);
  }
}
