import type { ErrorCode } from "./error-code.ts";
import type { Outcome } from "./invocation.ts";

/** What the owner of a function says about its events; undefined: as the server does for all. */
export type EventLimits = {
  /** Further executions after one that the function failed. */
  readonly retriesMax?: number | undefined;
  /** An event older than this is given up. */
  readonly ageMsMax?: number | undefined;
};

/** An attempt of an asynchronous invocation that has ended. */
export type Attempt = {
  /** Executions that the function failed, this one included if it did. */
  readonly functionFailures: number;
  /** Failures of the system in a row, this one included if it is one. */
  readonly systemFailures: number;
  readonly acceptedMs: number;
  readonly result: { readonly outcome: Outcome } | { readonly rejected: ErrorCode };
  /** undefined: nothing was said. */
  readonly limits?: EventLimits | undefined;
};

/** Why no further attempt is made; the names that Lambda's destination records use. */
export type GiveUpCondition = "RetriesExhausted" | "EventAgeExceeded";

/** What becomes of it. */
export type RetryDecision =
  | { readonly kind: "done" }
  | { readonly kind: "retry"; readonly atMs: number; readonly why: "functionFailed" | "systemFailed" }
  | { readonly kind: "giveUp"; readonly condition: GiveUpCondition };

/** What becomes of a delivery that failed. */
export type DeliveryDecision = { readonly kind: "retry"; readonly atMs: number } | { readonly kind: "giveUp" };
