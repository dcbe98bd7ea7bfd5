import type { RejectCode } from "../model/error-code.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Outcome } from "../model/invocation.ts";
import type { Caller } from "./caller.ts";
import type { SimulatedInvocation } from "./simulated-invocation.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";

/** Lambda's: two retries after an execution that failed, and six hours for what could not be executed. */
const EXECUTIONS_MAX = 3;
const RETRY_MS = 60_000;
const AGE_MS_MAX = 6 * 3_600_000;
const REFUSED_RETRY_MS = 1000;
const REFUSED_RETRY_MS_MAX = 60_000;

/** An accepted asynchronous invocation without a final outcome. Survives every server. */
export type SimulatedEvent = {
  readonly id: InvocationId;
  readonly caller: Caller;
  readonly acceptedMs: number;
  executions: number;
  refusals: number;
  /** The attempt that the core has now. */
  attempt: SimulatedInvocation | undefined;
  isFinal: boolean;
};

/** The durable queue of asynchronous invocations, as the server's trigger keeps it. */
export class EventQueue {
  readonly #stage: Stage;
  readonly #unfinished = new Set<SimulatedEvent>();
  readonly #arrive: (event: SimulatedEvent) => void;

  /** @param arrive sends the next attempt of an event to the core. */
  constructor(stage: Stage, arrive: (event: SimulatedEvent) => void) {
    this.#stage = stage;
    this.#arrive = arrive;
  }

  get length(): number {
    return this.#unfinished.size;
  }

  accept(id: InvocationId, caller: Caller): void {
    const acceptedMs = this.#stage.nowMs;
    const event = { id, caller, acceptedMs, executions: 0, refusals: 0, attempt: undefined, isFinal: false };
    this.#unfinished.add(event);
    this.#arrive(event);
  }

  executed(event: SimulatedEvent, outcome: Outcome): void {
    event.attempt = undefined;
    event.executions++;
    if (outcome === "ok" || event.executions >= EXECUTIONS_MAX) this.#finish(event);
    else this.#retry(event, RETRY_MS * event.executions);
  }

  refused(event: SimulatedEvent, code: RejectCode): void {
    event.attempt = undefined;
    event.refusals++;
    if (code === "TOO_LARGE") return this.#finish(event);
    if (this.#stage.nowMs - event.acceptedMs > AGE_MS_MAX)
      violated(`event ${event.id} could not run for six hours (${code})`);
    this.#retry(event, Math.min(REFUSED_RETRY_MS_MAX, REFUSED_RETRY_MS * 2 ** Math.min(16, event.refusals)));
  }

  /** A result that an agent kept for a server that was gone. @returns the attempt that is no longer needed. */
  executedLate(event: SimulatedEvent, outcome: Outcome): SimulatedInvocation | undefined {
    if (event.isFinal || outcome !== "ok") return undefined;
    const { attempt } = event;
    event.attempt = undefined;
    this.#finish(event);
    return attempt;
  }

  /** What a new server does first. */
  load(): void {
    for (const event of [...this.#unfinished]) {
      event.attempt = undefined;
      this.#arrive(event);
    }
  }

  #finish(event: SimulatedEvent): void {
    event.isFinal = true;
    this.#unfinished.delete(event);
  }

  #retry(event: SimulatedEvent, delayMs: number): void {
    const { serverRun } = this.#stage;
    this.#stage.later(delayMs, () => {
      const isDue = !event.isFinal && event.attempt === undefined;
      if (isDue && this.#stage.isServerUp && this.#stage.serverRun === serverRun) this.#arrive(event);
    });
  }
}
