import type { ServerResponse } from "node:http";
import { RESPONSE_TOO_LARGE } from "../../model/response-limit.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";
import { invalidRequestContent, lambdaErrorOf, sendError } from "./lambda-error.ts";

const ONE_WRITE_BYTES_MAX = 16 * 1024;

/** Answers a caller that waited for an execution. */
export function sendInvokeAnswer(response: ServerResponse, request: InvokeRequest, answer: InvokeAnswer): void {
  if (answer.kind === "rejected") return sendError(response, request.id, lambdaErrorOf(answer.code));
  const { outcome, payload } = answer;
  switch (outcome) {
    case "ok":
      return send(response, request, payload, answer.logTail, false);
    case "functionError":
    case "initError":
      return send(response, request, payload, answer.logTail, true);
    case "timeout":
    case "exit":
    case "outOfMemory":
      return send(response, request, bodyOf(endOf(request, outcome, answer.exit)), answer.logTail, true);
    case "responseTooLarge":
      return send(response, request, TOO_LARGE_BODY, answer.logTail, true);
    case "invalidPayload":
      return sendError(response, request.id, invalidRequestContent(invalidPayloadMessage(request.payload)));
    case "agentFault":
      return sendError(response, request.id, lambdaErrorOf("AGENT_FAULT"));
    default:
      throw outcome satisfies never;
  }
}

/** One flat list of headers and one write: this is the end of the path that every warm invocation takes. */
function send(
  response: ServerResponse,
  request: InvokeRequest,
  body: Buffer,
  logTail: Buffer | undefined,
  isFunctionError: boolean,
): void {
  const headers = [
    "Content-Type",
    "application/json",
    "Content-Length",
    String(body.length),
    "x-amzn-RequestId",
    request.id,
    "X-Amz-Executed-Version",
    request.version.version,
  ];
  if (request.traceId !== undefined) headers.push("X-Amzn-Trace-Id", request.traceId);
  if (isFunctionError) headers.push("X-Amz-Function-Error", "Unhandled");
  if (logTail !== undefined) headers.push("X-Amz-Log-Result", logTail.toString("base64"));
  response.writeHead(200, headers);
  // A short body as a string of its bytes leaves in one write with the head; Node writes a buffer behind it, as a second part.
  if (body.length <= ONE_WRITE_BYTES_MAX) response.end(body.toString("latin1"), "latin1");
  else response.end(body);
}

/** What Lambda's callers get when the function did not end by itself. */
export type ErrorObject = { readonly errorType: string; readonly errorMessage: string };

/** @param exit as in the answer. */
export function endOf(
  { id, version }: InvokeRequest,
  outcome: "timeout" | "exit" | "outOfMemory",
  exit: string | undefined,
): ErrorObject {
  if (outcome === "timeout") {
    const seconds = (version.timeoutMs / 1000).toFixed(2);
    return {
      errorType: "Sandbox.Timedout",
      errorMessage: `RequestId: ${id} Error: Task timed out after ${seconds} seconds`,
    };
  }
  const errorType = outcome === "exit" ? "Runtime.ExitError" : "Runtime.OutOfMemory";
  const how = exit === undefined ? "Runtime exited without providing a reason" : `Runtime exited with error: ${exit}`;
  return { errorType, errorMessage: `RequestId: ${id} Error: ${how}` };
}

function bodyOf(error: ErrorObject): Buffer {
  return Buffer.from(JSON.stringify(error));
}

const TOO_LARGE_BODY = bodyOf(RESPONSE_TOO_LARGE);

/** Lambda's sentence, with this parser's reason at its end. */
export function invalidPayloadMessage(payload: Buffer): string {
  let reason = "not a JSON text";
  try {
    JSON.parse(payload.toString());
  } catch (error) {
    reason = (error as Error).message;
  }
  return `Could not parse request body into json: Could not parse payload into json: ${reason}`;
}
