import type { InvocationMode, Lease } from "../model/invocation.ts";
import type { InvocationTrace } from "../ports/invocation-tracer.ts";
import type { InvokeAnswer, InvokeRequest } from "../ports/invoker.ts";
import type { LogTail } from "./execution-log.ts";
import type { StreamedAnswer } from "./streamed-answer.ts";

/** How an invocation's caller is answered; `acknowledge` once the answer is safe. */
export type Answer = (answer: InvokeAnswer, acknowledge: () => void) => void;

/** An invocation between its arrival and its answer. */
export type PendingInvocation = {
  readonly request: InvokeRequest;
  readonly retries: number;
  readonly mode: InvocationMode;
  readonly answer: Answer;
  readonly arrivedMs: number;
  readonly tail: LogTail | undefined;
  /** undefined: traces are not recorded. */
  readonly trace: InvocationTrace | undefined;
  lease: Lease | undefined;
  /** From its arrival to its lease. */
  waitedMs: number | undefined;
  /** The START line of its lease is in the function's log. */
  isStartLogged: boolean;
  /** Once it runs, if the caller takes the response piece by piece. */
  stream: StreamedAnswer | undefined;
};
