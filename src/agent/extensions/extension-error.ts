import type { ExtensionFailure } from "./extension-host.ts";

/** What the log and the caller are told of an extension that failed. @param requestId undefined: nobody waits for an execution. */
export function extensionError(
  { errorType, errorMessage }: ExtensionFailure,
  requestId: string | undefined,
): { readonly message: string; readonly payload: Buffer } {
  const message = requestId === undefined ? `Error: ${errorMessage}` : `RequestId: ${requestId} Error: ${errorMessage}`;
  return { message, payload: Buffer.from(JSON.stringify({ errorType, errorMessage: message })) };
}
