import { Writable } from "node:stream";
import { STREAM_CONTENT_TYPE_DEFAULT } from "../../protocol/stream-window.ts";
import { RuntimeError } from "./function-error.ts";
import type { ResponseOutlet } from "./response-outlet.ts";

/** What the agent takes; it cuts off a runtime that sends anything else. */
const CONTENT_TYPE = /^[\x20-\x7e]{0,1024}$/;

type Done = (error?: Error | null) => void;

/** What a streaming handler writes its response to: AWS's `responseStream`. */
export class ResponseStream extends Writable {
  /** AWS's hook: what is to be written in front of everything else, also of nothing. */
  _onBeforeFirstWrite: ((write: (chunk: string | Uint8Array) => unknown) => void) | undefined;
  readonly #outlet: ResponseOutlet;
  #contentType = STREAM_CONTENT_TYPE_DEFAULT;
  #hasBegun = false;

  constructor(outlet: ResponseOutlet, highWaterMark: number | undefined) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.#outlet = outlet;
  }

  setContentType(contentType: unknown): void {
    if (this.#hasBegun) {
      throw new RuntimeError("Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.");
    }
    const text = String(contentType);
    if (!CONTENT_TYPE.test(text)) {
      const rule = "must be a header of at most 1,024 printable ASCII characters";
      throw new RuntimeError("Runtime.InvalidStreamingOperation", `The content-type ${rule}.`);
    }
    this.#contentType = text;
  }

  /** What is neither text nor bytes is written as JSON. */
  override write(chunk: unknown, encodingOrDone?: BufferEncoding | Done, done?: Done): boolean {
    this.#begin();
    const data = typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);
    return super.write(data, encodingOrDone as BufferEncoding, done);
  }

  override end(chunkOrDone?: unknown, encodingOrDone?: BufferEncoding | Done, done?: Done): this {
    const callback = [chunkOrDone, encodingOrDone, done].find((value) => typeof value === "function") as
      | Done
      | undefined;
    const hasChunk = chunkOrDone !== undefined && chunkOrDone !== null && typeof chunkOrDone !== "function";
    if (hasChunk) this.write(chunkOrDone, typeof encodingOrDone === "string" ? encodingOrDone : undefined);
    else if (!this.writableEnded && !this.destroyed) this.#begin();
    return super.end(callback);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#outlet.write(chunk, done);
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#outlet.begin(this.#contentType);
    this._onBeforeFirstWrite?.((chunk) => super.write(chunk));
  }
}
