import type { ErrorCode } from "../model/error-code.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Outcome, Usage } from "../model/invocation.ts";

/** A call to a function, parsed and authorised. */
export type InvokeRequest = {
  readonly id: InvocationId;
  readonly version: FunctionVersion;
  /** Not copied and not changed until the answer; empty means no payload was sent. */
  readonly payload: Buffer;
  /** ARN as invoked, with its qualifier if one was given. */
  readonly invokedArn: string;
  /** Decoded JSON of X-Amz-Client-Context. */
  readonly clientContext: string | undefined;
  readonly traceId: string | undefined;
  /** The caller's `tracestate` by W3C's rules, for traces. Only beside a trace that `traceparent` told of. */
  readonly traceState?: string | undefined;
  /** Whether the answer carries the last 4 KiB of the execution's log. */
  readonly logTail: boolean;
  /** When it must be done, by the host's clock; until then it may be held. undefined: it is due at once. */
  readonly deadlineMs?: number | undefined;
  /** Takes the response piece by piece, while the function writes it. undefined: the answer brings it whole. Not of queued invocations. */
  readonly sink?: ResponseSink | undefined;
  /** For traces. undefined: somebody called the function by its name, or nobody knows. */
  readonly trigger?: Trigger | undefined;
};

/** What made it a call, by OpenTelemetry's names. */
export type Trigger = "http" | "pubsub" | "timer" | "other";

/**
 * Where a response goes that is not waited for. A function that streams is heard here before its answer comes: `begin`,
 * then its pieces, then the answer, with an empty payload when all went well, or with the error that broke it off. A
 * function that does not stream is not heard here: its answer brings the whole response, as ever.
 */
export type ResponseSink = {
  /**
   * The function has begun to write. At most once, before the first `chunk`.
   * @param contentType as the function gave it: `application/vnd.awslambda.http-integration-response` where the first
   *   pieces are `HttpResponseStream`'s: status and headers as JSON, then eight zero bytes.
   */
  begin(contentType: string): void;
  /**
   * The next piece, never empty, cut anywhere; the sink's own to keep. `taken` is to be called once, when the piece is
   * out of this process's hands: what was not taken is at most STREAM_WINDOW_BYTES, and the function waits for it.
   */
  chunk(bytes: Buffer, taken: () => void): void;
};

/** What became of a call: an execution that ended, well or not, or a refusal with its code. */
export type InvokeAnswer =
  | {
      readonly kind: "finished";
      readonly outcome: Outcome;
      /** The function's response or its error object, as bytes of JSON; empty for exit, timeout and OOM. */
      readonly payload: Buffer;
      /** How the runtime process ended, for `exit` and `outOfMemory`: `exit status 1`, `signal: killed`. */
      readonly exit: string | undefined;
      readonly usage: Usage;
      readonly logTail: Buffer | undefined;
    }
  | { readonly kind: "rejected"; readonly code: ErrorCode };

/** The way from a frontend or a trigger to an execution. */
export type Invoker = {
  /**
   * Runs a function for a caller that waits. `answer` is called exactly once, never before `invoke` returns.
   * @returns cancel: to be called when the caller hangs up; afterwards `answer` may still be called, but the sink not.
   */
  invoke(request: InvokeRequest, answer: (answer: InvokeAnswer) => void): () => void;
  /**
   * Accepts an asynchronous invocation; durable once the promise resolves.
   * @throws HearthError QUEUE_FULL, STORE_FAILED, SHUTTING_DOWN.
   */
  enqueue(request: InvokeRequest): Promise<void>;
};
