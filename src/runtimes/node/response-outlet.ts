import { RESPONSE_BYTES_MAX, STREAMED_BYTES_MAX } from "../../model/response-limit.ts";
import { CHUNK_BYTES_MAX, STREAM_WINDOW_BYTES } from "../../protocol/stream-window.ts";
import type { Outlet } from "./channel.ts";

/** Where what a streaming handler writes goes. */
export type ResponseOutlet = {
  begin(contentType: string): void;
  /** @param done called when more is wanted. */
  write(bytes: Buffer, done: () => void): void;
  /** So many bytes of it were taken. */
  credit(bytes: number): void;
  /** The response that is to be sent as a whole when the stream is finished; empty when its pieces were sent. */
  readonly rest: Buffer;
  /** The invocation is answered: what is written from now on goes nowhere. */
  close(): void;
};

const EMPTY = Buffer.alloc(0);

/** Sends the pieces as they are written, as many as there is credit for. */
export class ChunkOutlet implements ResponseOutlet {
  readonly rest = EMPTY;
  readonly #channel: Outlet;
  readonly #requestId: string;
  readonly #onTooLarge: () => void;
  readonly #header: string;
  #creditBytes = STREAM_WINDOW_BYTES;
  #totalBytes = 0;
  #bytes: Buffer = EMPTY;
  #done: (() => void) | undefined;
  #isClosed = false;

  constructor(channel: Outlet, requestId: string, onTooLarge: () => void) {
    this.#channel = channel;
    this.#requestId = requestId;
    this.#onTooLarge = onTooLarge;
    this.#header = JSON.stringify({ kind: "chunk", requestId });
  }

  begin(contentType: string): void {
    if (this.#isClosed) return;
    this.#channel.sendBytes(JSON.stringify({ kind: "chunk", requestId: this.#requestId, contentType }), EMPTY);
  }

  write(bytes: Buffer, done: () => void): void {
    if (this.#isClosed) return done();
    this.#totalBytes += bytes.length;
    if (this.#totalBytes > STREAMED_BYTES_MAX) return this.#onTooLarge();
    this.#bytes = bytes;
    this.#done = done;
    this.#send();
    // Nothing else of the function may be left to do, but the credit will come.
    if (this.#done !== undefined) this.#channel.ref();
  }

  credit(bytes: number): void {
    const isWaiting = this.#done !== undefined;
    this.#creditBytes += bytes;
    this.#send();
    if (isWaiting && this.#done === undefined && !this.#isClosed) this.#channel.unref();
  }

  close(): void {
    this.#isClosed = true;
    this.#bytes = EMPTY;
    this.#finish();
  }

  #send(): void {
    while (this.#bytes.length > 0 && this.#creditBytes > 0) {
      const piece = this.#bytes.subarray(0, Math.min(this.#creditBytes, CHUNK_BYTES_MAX));
      this.#bytes = this.#bytes.subarray(piece.length);
      this.#creditBytes -= piece.length;
      this.#channel.sendBytes(this.#header, piece);
    }
    if (this.#bytes.length === 0) this.#finish();
  }

  #finish(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}

/** Collects a response for a caller who wants it as a whole. */
export class CollectingOutlet implements ResponseOutlet {
  readonly #onTooLarge: () => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isClosed = false;

  constructor(onTooLarge: () => void) {
    this.#onTooLarge = onTooLarge;
  }

  get rest(): Buffer {
    return Buffer.concat(this.#chunks, this.#bytes);
  }

  begin(): void {}

  credit(): void {}

  write(bytes: Buffer, done: () => void): void {
    if (this.#isClosed) return done();
    this.#bytes += bytes.length;
    if (this.#bytes > RESPONSE_BYTES_MAX) return this.#onTooLarge();
    this.#chunks.push(bytes);
    done();
  }

  close(): void {
    this.#isClosed = true;
    this.#chunks = [];
    this.#bytes = 0;
  }
}
