import type { ErrorCode } from "./error-code.ts";
import type { Outcome } from "./invocation.ts";

/** An attempt of an asynchronous invocation that has ended. */
export type Attempt = {
  /** Executions that the function failed, this one included if it did. */
  readonly functionFailures: number;
  /** Failures of the system in a row, this one included if it is one. */
  readonly systemFailures: number;
  readonly acceptedMs: number;
  readonly result: { readonly outcome: Outcome } | { readonly rejected: ErrorCode };
};

/** What becomes of it. `condition`: the name Lambda's destination records use. */
export type RetryDecision =
  | { readonly kind: "done" }
  | { readonly kind: "retry"; readonly atMs: number; readonly why: "functionFailed" | "systemFailed" }
  | { readonly kind: "giveUp"; readonly condition: "RetriesExhausted" | "EventAgeExceeded" };
