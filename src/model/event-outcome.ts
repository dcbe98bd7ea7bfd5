import type { GiveUpCondition } from "./retry.ts";

/** How an asynchronous invocation ended for good; Lambda's own words. */
export type EventCondition = "Success" | GiveUpCondition;

/** The one outcome of an asynchronous invocation. */
export type EventOutcome = {
  readonly condition: EventCondition;
  readonly endedMs: number;
  /** Executions that were begun. */
  readonly invokeCount: number;
  /** Of the last execution that answered; undefined: it was given up without one. */
  readonly execution: { readonly executedVersion: string; readonly isFunctionError: boolean } | undefined;
};

/** One message about an outcome that is still to be delivered. */
export type Delivery = {
  /** `destination`: Lambda's record of the outcome. `deadLetter`: the event itself, with attributes. */
  readonly kind: "destination" | "deadLetter";
  /** An ARN or a URL, see `parseDestination`. */
  readonly to: string;
  /** Failed ones. */
  readonly attempts: number;
  readonly nextAttemptMs: number;
};
