import { RuntimeError } from "./function-error.ts";
import { invokeStore as InvokeStore } from "./invoke-store.ts";
import type { ResponseStream } from "./response-stream.ts";

/** Marks of a handler that writes to a stream; the names are those of AWS's runtime, libraries set them too. */
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const RESPONSE = "response";

const HTTP_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response";
/** Between the prelude and the body of an HTTP response. */
const DELIMITER = new Uint8Array(8);

type Marked = { [STREAMING]?: unknown; [HIGH_WATER_MARK]?: unknown };

/** How a handler wants to stream. */
export type Streaming = {
  /** undefined: Node's own. */
  readonly highWaterMark: number | undefined;
};

/** Puts the global `awslambda` in its place, by which functions say that they stream. */
export function installAwsLambda(): void {
  (globalThis as { awslambda?: object }).awslambda = { streamifyResponse, HttpResponseStream: { from }, InvokeStore };
}

/** @returns undefined when the handler returns its response. @throws RuntimeError of a mark that nobody knows. */
export function streamingOf(handler: object): Streaming | undefined {
  const { [STREAMING]: streaming, [HIGH_WATER_MARK]: highWaterMark } = handler as Marked;
  if (!streaming) return undefined;
  if (streaming !== RESPONSE) {
    throw new RuntimeError("Runtime.MalformedStreamingHandler", "Only response streaming is supported.");
  }
  const bytes = Number(highWaterMark);
  return { highWaterMark: highWaterMark && !Number.isNaN(bytes) ? bytes : undefined };
}

function streamifyResponse<Handler extends object>(handler: Handler, options?: { highWaterMark?: unknown }): Handler {
  const marked = handler as Marked;
  marked[STREAMING] = RESPONSE;
  if (typeof options?.highWaterMark === "number") marked[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
  return handler;
}

/** @param prelude status, headers and cookies, as JSON can say them. */
function from(stream: ResponseStream, prelude: unknown): ResponseStream {
  stream.setContentType(HTTP_CONTENT_TYPE);
  const text = JSON.stringify(prelude);
  stream._onBeforeFirstWrite = (write) => {
    write(text);
    write(DELIMITER);
  };
  return stream;
}
