import type { ServerResponse } from "node:http";
import { executionErrorOf } from "../../model/execution-error.ts";
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
    case "responseTooLarge": {
      const error = executionErrorOf(outcome, answer.exit, request.id, request.version.timeoutMs);
      return send(response, request, Buffer.from(JSON.stringify(error)), answer.logTail, true);
    }
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
