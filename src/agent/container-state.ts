import type { Assignment } from "../protocol/agent-protocol.ts";
import type { RunOrder, RunResult } from "./run-result.ts";
import { StreamedResponse } from "./streamed-response.ts";

/** Of an init that a run waits for, and of one ahead of any, which has at least the function's own timeout. */
export type InitLimits = { readonly initMsMax: number; readonly initAheadMsMax: number };

/** One execution. `beganMs` is on the monotonic clock; undefined: the function's own time has not begun. */
export type Run = {
  readonly order: RunOrder;
  /** Until the runtime was given it: while the function runs, nobody needs it any more. */
  payload: Buffer;
  beganMs: number | undefined;
  initUs: number | undefined;
  /** undefined: its response is wanted as a whole. */
  readonly stream: StreamedResponse | undefined;
  /** It is known, and waits for the log that belongs before it. */
  answer: Answer | undefined;
};

export type Answer = { readonly result: RunResult; readonly payload: Buffer };

/**
 * What a container is doing:
 *
 * - creating: the backend starts it, then the runtime says that it is blank. Normally nothing is
 *   asked of it yet; only after a reconnection, when the server took it for blank, a first run or a
 *   prewarm may already wait (`next`).
 * - blank: the runtime waits for a function. A run with an assignment or a prewarm makes it that
 *   function's, for good.
 * - prewarming: the function's module is evaluated, and no run waits for it. Becomes idle. An init
 *   that fails, or is over its limit, ends the container, and the function's log says so; the next
 *   cold run begins afresh. A run that comes meanwhile (after a reconnection, when the server took
 *   it for idle) makes it initialising: the init goes on, counts as that run's, and has from then on as
 *   long as any that a run waits for.
 * - initialising: the function's module is evaluated, for a run that waits for it. Over
 *   `initMsMax` the container is killed and becomes repeating.
 * - repeating: a new container takes the place of the killed one, under the same id; its init
 *   counts as part of the run, under the function's own timeout. Becomes running.
 * - running: one execution. Ends with the runtime's answer (idle), or with the container.
 * - idle: holds the function and waits for the next run of it; frozen after `freezeAfterMs`.
 * - frozen: like idle, without CPU. A run thaws it.
 * - ending: from every state above, by destruction, exit, timeout, violation or a failure of the
 *   backend. It is killed; what ran is answered once the last output is read.
 * - gone: all is answered. It is announced as gone when nothing of it is left.
 */
export type ContainerState =
  | { readonly name: "creating"; readonly beganMs: number; readonly next: Run | "prewarm" | undefined }
  | { readonly name: "blank" }
  | { readonly name: "prewarming"; readonly beganMs: number; readonly initMsMax: number }
  | { readonly name: "initialising"; readonly run: Run; readonly beganMs: number; readonly initMsMax: number }
  | { readonly name: "repeating"; readonly run: Run }
  | { readonly name: "running"; readonly run: Run }
  | { readonly name: "idle" }
  | { readonly name: "frozen" }
  | { readonly name: "ending"; readonly run: Run | undefined }
  | { readonly name: "gone" };

export type LoadingState = Extract<ContainerState, { name: "prewarming" | "initialising" }>;

/** The function's module is about to be evaluated, or already is when a run overtakes a prewarm. */
export function loading(
  first: Run | "prewarm",
  beganMs: number,
  { initMsMax, initAheadMsMax }: InitLimits,
  { timeoutMs }: Pick<Assignment, "timeoutMs">,
): LoadingState {
  return first === "prewarm"
    ? { name: "prewarming", beganMs, initMsMax: Math.max(initAheadMsMax, timeoutMs) }
    : { name: "initialising", run: first, beganMs, initMsMax };
}

/** The function's module is being evaluated, ahead of a run or for one. */
export function isInInit({ name }: ContainerState): boolean {
  return name === "prewarming" || name === "initialising" || name === "repeating";
}

/** An execution that nothing was done for yet. */
export function newRun(order: RunOrder, payload: Buffer): Run {
  const stream = order.stream === true ? new StreamedResponse() : undefined;
  return { order, payload, beganMs: undefined, initUs: undefined, stream, answer: undefined };
}

/** The execution that somebody waits for, also one whose function is not loaded yet. */
export function runOf(state: ContainerState): Run | undefined {
  switch (state.name) {
    case "initialising":
    case "repeating":
    case "running":
    case "ending":
      return state.run;
    case "creating":
      return state.next === "prewarm" ? undefined : state.next;
    default:
      return undefined;
  }
}
