import { types } from "node:util";

/** What Lambda's callers get when a function fails. */
export type FunctionError = {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace: readonly string[];
};

/** An error of Lambda's own making, known to callers by its name. */
export class RuntimeError extends Error {
  constructor(name: string, message: string, stack?: string) {
    super(message);
    this.name = name;
    this.stack = stack ?? `${name}: ${message}`;
  }
}

/**
 * Describes whatever a function threw, in the form of AWS's Node.js runtime. Never throws, also
 * when the thrown object's own properties do.
 */
export function describeError(thrown: unknown): FunctionError {
  try {
    if (isErrorLike(thrown)) {
      return {
        errorType: String(thrown.name),
        errorMessage: String(thrown.message),
        trace: String(thrown.stack).split("\n"),
      };
    }
    return { errorType: typeof thrown, errorMessage: String(thrown), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
      trace: [],
    };
  }
}

/** The same error with all that its class adds (`code`, `cause` …), for the log. */
export function describeErrorForLog(thrown: unknown): object {
  const { errorType, errorMessage, trace } = describeError(thrown);
  try {
    const own = isErrorLike(thrown) ? Object.fromEntries(Object.entries(thrown)) : {};
    const described = { errorType, errorMessage, ...own, stack: trace };
    JSON.stringify(described);
    return described;
  } catch {
    return { errorType, errorMessage, stack: trace };
  }
}

function isErrorLike(thrown: unknown): thrown is Error {
  if (types.isNativeError(thrown)) return true;
  if (typeof thrown !== "object" || thrown === null) return false;
  return "name" in thrown && "message" in thrown && "stack" in thrown;
}
