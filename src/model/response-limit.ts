/** Lambda's largest response of a function: 6 MiB and some room for the envelope (AWS documentation, "Lambda quotas"). */
export const RESPONSE_BYTES_MAX = 6_291_556;
/** Lambda's largest streamed response, 200 MiB (AWS documentation, "Response streaming"). */
export const STREAMED_BYTES_MAX = 209_715_200;

/** What Lambda's callers get instead of a larger one. */
export const RESPONSE_TOO_LARGE = {
  errorMessage: `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
  errorType: "Function.ResponseSizeTooLarge",
} as const;

/** The same of a streamed one; what fitted was sent before. */
export const STREAM_TOO_LARGE = {
  errorMessage: `Response payload size exceeded maximum allowed payload size (${STREAMED_BYTES_MAX} bytes).`,
  errorType: "Function.ResponseSizeTooLarge",
} as const;
