import type { ErrorCode } from "./error-code.ts";

/** Lambda's reasons for a TooManyRequestsException, where one of them is the reason. */
const REASONS: { readonly [code in ErrorCode]?: string } = {
  CONCURRENCY_LIMIT: "ConcurrentInvocationLimitExceeded",
  RESERVED_CONCURRENCY_LIMIT: "ReservedFunctionConcurrentInvocationLimitExceeded",
  SCALING_RATE_LIMIT: "FunctionInvocationRateLimitExceeded",
  INVOCATION_RATE_LIMIT: "FunctionInvocationRateLimitExceeded",
  RESERVED_INVOCATION_RATE_LIMIT: "ReservedFunctionInvocationRateLimitExceeded",
};

/** undefined: the code is no throttle that Lambda knows. */
export function throttleReasonOf(code: ErrorCode): string | undefined {
  return REASONS[code];
}
