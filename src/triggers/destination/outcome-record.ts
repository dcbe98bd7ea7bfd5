import type { OutcomeMessage } from "../outbox.ts";

/** What Lambda puts into the attribute of a dead letter. */
const ERROR_MESSAGE_BYTES_MAX = 1024;

/** Qualified ARN of the function, as it was invoked. */
export function invokedFunctionArn({ event }: OutcomeMessage): string {
  const { invokedArn, qualifier } = event;
  return invokedArn.split(":").length > 7 ? invokedArn : `${invokedArn}:${qualifier}`;
}

/** Lambda's record of the outcome of an asynchronous invocation (AWS documentation, "Capturing records"). */
export function outcomeRecord(message: OutcomeMessage): string {
  const { event, payload, response } = message;
  const { condition, endedMs, invokeCount, execution } = event.outcome;
  const head = {
    version: "1.0",
    timestamp: new Date(endedMs).toISOString(),
    requestContext: {
      requestId: event.id,
      functionArn: invokedFunctionArn(message),
      condition,
      approximateInvokeCount: invokeCount,
    },
  };
  const parts = [`"requestPayload":${jsonOf(payload)}`];
  if (execution !== undefined) {
    const { executedVersion, isFunctionError } = execution;
    const context = { statusCode: 200, executedVersion, ...(isFunctionError ? { functionError: "Unhandled" } : {}) };
    parts.push(`"responseContext":${JSON.stringify(context)}`, `"responsePayload":${jsonOf(response)}`);
  }
  return `${JSON.stringify(head).slice(0, -1)},${parts.join(",")}}`;
}

/** What the function said when it failed, cut to the attribute's length; what failed instead of it otherwise. */
export function errorMessageOf({ event, response }: OutcomeMessage): string {
  const { errorMessage } = (parsed(response?.toString() ?? "") ?? {}) as { errorMessage?: unknown };
  const text = typeof errorMessage === "string" && errorMessage !== "" ? errorMessage : event.outcome.condition;
  return cut(text);
}

/** Characters that neither SQS nor SNS takes are left out. */
function cut(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  const clean = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").toWellFormed();
  let cutText = clean.slice(0, ERROR_MESSAGE_BYTES_MAX);
  while (Buffer.byteLength(cutText) > ERROR_MESSAGE_BYTES_MAX) cutText = cutText.slice(0, -1);
  return cutText.toWellFormed();
}

/** As it is when it is JSON, so that no number is rounded on the way; text otherwise, null when there is nothing. */
function jsonOf(bytes: Buffer | undefined): string {
  if (bytes === undefined || bytes.length === 0) return bytes === undefined ? "null" : "{}";
  const text = bytes.toString();
  return parsed(text) === undefined ? JSON.stringify(text) : text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
