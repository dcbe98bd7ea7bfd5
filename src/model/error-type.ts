import type { Outcome } from "./invocation.ts";
import { RESPONSE_TOO_LARGE } from "./response-limit.ts";

/** What of an error's type is repeated; another one is a stranger's text (Lambda keeps `Runtime.*` and `Function.*`). */
const ERROR_TYPE = /^[A-Za-z][\w.]{0,127}$/;

/**
 * The type of an error as the platform's own records and lines show it.
 *
 * @param payload the function's error object, if it gave one.
 * @returns undefined: it was not the function that failed.
 */
export function errorTypeOf(outcome: Outcome, payload: Buffer): string | undefined {
  switch (outcome) {
    case "initError":
      return statedErrorType(payload) ?? "Runtime.Unknown";
    case "responseTooLarge":
      return RESPONSE_TOO_LARGE.errorType;
    case "exit":
      return "Runtime.ExitError";
    case "outOfMemory":
      return "Runtime.OutOfMemory";
    default:
      return undefined;
  }
}

function statedErrorType(payload: Buffer): string | undefined {
  try {
    const { errorType } = JSON.parse(payload.toString()) as { errorType?: unknown };
    return typeof errorType === "string" && ERROR_TYPE.test(errorType) ? errorType : undefined;
  } catch {
    return undefined;
  }
}
