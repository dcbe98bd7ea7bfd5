import { STREAMED_BYTES_MAX } from "../model/response-limit.ts";
import { CHUNK_BYTES_MAX, STREAM_WINDOW_BYTES } from "../protocol/stream-window.ts";

/**
 * What an execution streams, on its way through the agent: nothing of it is kept here. The container may send what it
 * has credit for; when nobody is there any more to take the response, it is thrown away and the function runs on.
 */
export class StreamedResponse {
  #creditBytes = STREAM_WINDOW_BYTES;
  #totalBytes = 0;
  #isAbandoned = false;

  /** Whether what comes is to be thrown away, and credited at once. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** @returns what the container did wrong, if it did. */
  send(bytes: number): string | undefined {
    this.#creditBytes -= bytes;
    this.#totalBytes += bytes;
    if (bytes > CHUNK_BYTES_MAX) return `a piece of a response of ${bytes} bytes`;
    if (this.#creditBytes < 0) return "more of a response than it had credit for";
    if (this.#totalBytes > STREAMED_BYTES_MAX) return `a response over ${STREAMED_BYTES_MAX} bytes`;
    return undefined;
  }

  /** @returns how much of it the container can be given: never more than it has used. */
  credit(bytes: number): number {
    const given = Math.min(bytes, STREAM_WINDOW_BYTES - this.#creditBytes);
    this.#creditBytes += given;
    return given;
  }

  /** @returns the credit for everything that is on its way. */
  abandon(): number {
    this.#isAbandoned = true;
    return this.credit(STREAM_WINDOW_BYTES);
  }
}
