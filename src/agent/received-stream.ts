import type { IncomingMessage } from "node:http";
import {
  RESPONSE_BYTES_MAX,
  RESPONSE_TOO_LARGE,
  STREAM_TOO_LARGE,
  STREAMED_BYTES_MAX,
} from "../model/response-limit.ts";
import { CHUNK_BYTES_MAX, STREAM_CONTENT_TYPE_DEFAULT, STREAM_WINDOW_BYTES } from "../protocol/stream-window.ts";

const EMPTY = Buffer.alloc(0);
/** It becomes a header's value. */
const CONTENT_TYPE = /^[\x20-\x7e]{1,1024}$/;
/** Where the runtime says that its response failed in the middle. */
const ERROR_TYPE = "lambda-runtime-function-error-type";
const ERROR_BODY = "lambda-runtime-function-error-body";

export type ReceivedStreamEvents = {
  /** The first comes with the content type, as soon as the runtime has begun, and may be empty. */
  onChunk(bytes: Buffer, contentType: string | undefined): void;
  /** @param body what was collected; empty when it was told in chunks. */
  onEnd(body: Buffer): void;
  /** The runtime says so in its trailers. */
  onError(body: Buffer, errorType: string): void;
  /** It is over the limit; what still comes is read and dropped. */
  onTooLarge(body: Buffer, errorType: string): void;
  /** The connection ended in the middle. */
  onTruncated(): void;
};

/**
 * A response that a custom runtime streams: the body of a request, read as fast as it is taken and no faster. Exactly one
 * of the events that are not `onChunk` comes, and comes last.
 */
export class ReceivedStream {
  readonly #request: IncomingMessage;
  readonly #isPassedOn: boolean;
  readonly #events: ReceivedStreamEvents;
  #creditBytes = STREAM_WINDOW_BYTES;
  #bytes = 0;
  #collected: Buffer[] = [];
  #hasEnded = false;

  /** @param isPassedOn false: it is collected, up to the limit of responses that are not streamed. */
  constructor(request: IncomingMessage, isPassedOn: boolean, events: ReceivedStreamEvents) {
    this.#request = request;
    this.#isPassedOn = isPassedOn;
    this.#events = events;
    request.on("data", (bytes: Buffer) => this.#receive(bytes));
    request.on("end", () => this.#end());
    request.on("error", () => {}); // `close` follows.
    request.on("close", () => {
      if (!this.#hasEnded) this.#finish(() => events.onTruncated());
    });
    if (isPassedOn) events.onChunk(EMPTY, contentTypeOf(request));
  }

  /** So many bytes were taken. */
  credit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes >= CHUNK_BYTES_MAX) this.#request.resume();
  }

  #receive(bytes: Buffer): void {
    if (this.#hasEnded) return;
    this.#bytes += bytes.length;
    const { bytesMax, error } = this.#isPassedOn ? STREAM_LIMIT : COLLECTED_LIMIT;
    if (this.#bytes > bytesMax) {
      this.#collected = [];
      this.#finish(() => this.#events.onTooLarge(Buffer.from(JSON.stringify(error)), error.errorType));
    } else if (this.#isPassedOn) {
      this.#pass(bytes);
    } else {
      this.#collected.push(bytes);
    }
  }

  /** Node reads at most 64 KiB from a connection at a time: with credit for less, nothing is read. */
  #pass(bytes: Buffer): void {
    this.#creditBytes -= bytes.length;
    if (this.#creditBytes < CHUNK_BYTES_MAX) this.#request.pause();
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES_MAX) {
      this.#events.onChunk(bytes.subarray(start, start + CHUNK_BYTES_MAX), undefined);
    }
  }

  #end(): void {
    if (this.#hasEnded) return;
    const errorType = this.#request.trailers[ERROR_TYPE];
    if (errorType === undefined) return this.#finish(() => this.#events.onEnd(Buffer.concat(this.#collected)));
    const body = Buffer.from(this.#request.trailers[ERROR_BODY] ?? "", "base64");
    const error = body.length > 0 ? body : Buffer.from(JSON.stringify({ errorType, errorMessage: "" }));
    this.#finish(() => this.#events.onError(error, errorType));
  }

  #finish(tell: () => void): void {
    this.#hasEnded = true;
    this.#request.resume();
    tell();
  }
}

const STREAM_LIMIT = { bytesMax: STREAMED_BYTES_MAX, error: STREAM_TOO_LARGE };
const COLLECTED_LIMIT = { bytesMax: RESPONSE_BYTES_MAX, error: RESPONSE_TOO_LARGE };

function contentTypeOf({ headers }: IncomingMessage): string {
  const contentType = headers["content-type"];
  return contentType !== undefined && CONTENT_TYPE.test(contentType) ? contentType : STREAM_CONTENT_TYPE_DEFAULT;
}
