import type { InvocationMode, Lease } from "../model/invocation.ts";
import type { InvokeAnswer, InvokeRequest } from "./invoker.ts";

/** Records what becomes of invocations as spans, and hands them to whoever collects them. Nothing of it waits or fails. */
export type InvocationTracer = {
  /** An invocation has arrived, or an attempt of a queued one begins. */
  begin(start: InvocationStart): InvocationTrace;
  /** Since the start. */
  counts(): SpanCounts;
  /** Hands over what it still holds; ends after a while even if nobody takes it. */
  close(): Promise<void>;
};

/** An invocation whose span has begun. */
export type InvocationTrace = {
  /** What its function is told of the trace, in X-Ray's form: what the function records hangs below this invocation. */
  readonly traceId: string | undefined;
  /** Once, after its caller was answered. */
  end(end: InvocationEnd): void;
};

/** What is known of an invocation when it arrives. */
export type InvocationStart = {
  readonly request: InvokeRequest;
  readonly mode: InvocationMode;
  /** Executions begun before. */
  readonly retries: number;
};

/** What is known of an invocation when it is over. */
export type InvocationEnd = {
  /** `cancelled`: its caller hung up while it waited. */
  readonly answer: InvokeAnswer | "cancelled";
  /** undefined: it never began. */
  readonly lease: Lease | undefined;
  /** From its arrival until a container was its own; undefined: it never began. */
  readonly waitedMs: number | undefined;
  /** From its arrival to its answer. */
  readonly tookMs: number;
};

/** What became of the spans that were recorded. */
export type SpanCounts = {
  readonly exported: number;
  /** More were held than may be. */
  readonly overflowed: number;
  /** Nobody took them in time. */
  readonly failed: number;
};
