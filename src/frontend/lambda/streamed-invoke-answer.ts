import type { ServerResponse } from "node:http";
import { type ExecutionError, executionErrorOf } from "../../model/execution-error.ts";
import { RESPONSE_TOO_LARGE, STREAM_TOO_LARGE } from "../../model/response-limit.ts";
import type { InvokeAnswer, InvokeRequest, ResponseSink } from "../../ports/invoker.ts";
import { EVENT_STREAM_CONTENT_TYPE, EventFrames } from "./event-stream.ts";
import { invalidPayloadMessage } from "./invoke-answer.ts";
import { invalidRequestContent, type LambdaError, lambdaErrorOf, sendError } from "./lambda-error.ts";

const payloadChunk = new EventFrames("PayloadChunk", "application/octet-stream");
const invokeComplete = new EventFrames("InvokeComplete", "application/json");
/** A whole response of a function that does not stream leaves in events of this size, as those of others do. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
const CONTENT_TYPE_BUFFERED = "application/json";
/** Failures that the platform found, not the function; clients tell them from `Unhandled` ones by these names. */
const PLATFORM_ERROR = /^(Runtime\.(TruncatedResponse|InvalidResponseModeHeader)|Function\.ResponseSizeTooLarge)$/;

type CompleteEvent = { ErrorCode?: string; ErrorDetails?: string; LogResult?: string };

/**
 * The answer to InvokeWithResponseStream. Its head leaves when the function begins to write, or with the whole answer;
 * what goes wrong before is answered as Invoke answers it, what goes wrong later is said in the last event.
 */
export class StreamedInvokeAnswer implements ResponseSink {
  readonly #response: ServerResponse;
  readonly #request: InvokeRequest;

  constructor(response: ServerResponse, request: InvokeRequest) {
    this.#response = response;
    this.#request = request;
  }

  begin(contentType: string): void {
    const { id, version, traceId } = this.#request;
    const headers = [
      "Content-Type",
      EVENT_STREAM_CONTENT_TYPE,
      "X-Amzn-Remapped-Content-Type",
      contentType,
      "x-amzn-RequestId",
      id,
      "X-Amz-Executed-Version",
      version.version,
    ];
    if (traceId !== undefined) headers.push("X-Amzn-Trace-Id", traceId);
    this.#response.writeHead(200, headers);
    this.#response.flushHeaders();
  }

  chunk(bytes: Buffer, taken: () => void): void {
    this.#response.write(payloadChunk.frame(bytes), taken);
  }

  /** The last that happens, unless the caller hung up. */
  end(answer: InvokeAnswer): void {
    const response = this.#response;
    if (response.destroyed) return;
    const hasBegun = response.headersSent;
    const refused = refusalOf(this.#request, answer);
    if (refused !== undefined && !hasBegun) return sendError(response, this.#request.id, refused);
    if (!hasBegun) this.begin(CONTENT_TYPE_BUFFERED);
    const complete: CompleteEvent =
      refused === undefined ? {} : { ErrorCode: refused.type, ErrorDetails: refused.message };
    if (answer.kind === "finished") {
      if (answer.outcome === "ok") this.#writeWhole(answer.payload);
      else Object.assign(complete, failureOf(this.#request, answer, hasBegun));
      if (answer.logTail !== undefined) complete.LogResult = answer.logTail.toString("base64");
    }
    response.end(invokeComplete.frame(Buffer.from(JSON.stringify(complete))));
  }

  #writeWhole(payload: Buffer): void {
    for (let start = 0; start < payload.length; start += PAYLOAD_BYTES_MAX) {
      this.#response.write(payloadChunk.frame(payload.subarray(start, start + PAYLOAD_BYTES_MAX)));
    }
  }
}

/** What is no execution's outcome: an error of Lambda's API. */
function refusalOf(request: InvokeRequest, answer: InvokeAnswer): LambdaError | undefined {
  if (answer.kind === "rejected") return lambdaErrorOf(answer.code);
  if (answer.outcome === "invalidPayload") return invalidRequestContent(invalidPayloadMessage(request.payload));
  return answer.outcome === "agentFault" ? lambdaErrorOf("AGENT_FAULT") : undefined;
}

function failureOf(
  request: InvokeRequest,
  { outcome, payload, exit }: Extract<InvokeAnswer, { kind: "finished" }>,
  hasBegun: boolean,
): CompleteEvent {
  switch (outcome) {
    case "functionError":
    case "initError":
      return { ErrorCode: errorCodeIn(payload), ErrorDetails: payload.toString() };
    case "timeout":
    case "exit":
    case "outOfMemory":
      return completeOf(executionErrorOf(outcome, exit, request.id, request.version.timeoutMs));
    case "responseTooLarge":
      return completeOf(hasBegun ? STREAM_TOO_LARGE : RESPONSE_TOO_LARGE);
    default:
      return {};
  }
}

function completeOf({ errorType, errorMessage }: ExecutionError): CompleteEvent {
  return { ErrorCode: errorType, ErrorDetails: errorMessage };
}

function errorCodeIn(payload: Buffer): string {
  try {
    const { errorType } = JSON.parse(payload.toString()) as { errorType?: unknown };
    if (typeof errorType === "string" && PLATFORM_ERROR.test(errorType)) return errorType;
  } catch {
    // Whatever it is, the function said it.
  }
  return "Unhandled";
}
