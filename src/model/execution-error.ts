import type { Outcome } from "./invocation.ts";
import { RESPONSE_TOO_LARGE } from "./response-limit.ts";

/** An error object of Lambda's own, as callers and destinations get it. */
export type ExecutionError = { readonly errorType: string; readonly errorMessage: string };

/** Ends that leave no answer of the function. */
type UnansweredOutcome = "timeout" | "exit" | "outOfMemory" | "responseTooLarge";

/**
 * What Lambda answers for an execution that left no answer of its own.
 * @param exit how the runtime ended: `exit status 1`, `signal: killed`; undefined: nobody knows.
 * @returns undefined: the function answered by itself, or it is no failure of the function.
 */
export function executionErrorOf(
  outcome: UnansweredOutcome,
  exit: string | undefined,
  requestId: string,
  timeoutMs: number,
): ExecutionError;
export function executionErrorOf(
  outcome: Outcome,
  exit: string | undefined,
  requestId: string,
  timeoutMs: number,
): ExecutionError | undefined;
export function executionErrorOf(
  outcome: Outcome,
  exit: string | undefined,
  requestId: string,
  timeoutMs: number,
): ExecutionError | undefined {
  switch (outcome) {
    case "timeout": {
      const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`;
      return { errorType: "Sandbox.Timedout", errorMessage };
    }
    case "exit":
    case "outOfMemory": {
      const how =
        exit === undefined ? "Runtime exited without providing a reason" : `Runtime exited with error: ${exit}`;
      return {
        errorType: outcome === "exit" ? "Runtime.ExitError" : "Runtime.OutOfMemory",
        errorMessage: `RequestId: ${requestId} Error: ${how}`,
      };
    }
    case "responseTooLarge":
      return RESPONSE_TOO_LARGE;
    case "ok":
    case "functionError":
    case "initError":
    case "invalidPayload":
    case "agentFault":
      return undefined;
    default:
      throw outcome satisfies never;
  }
}
