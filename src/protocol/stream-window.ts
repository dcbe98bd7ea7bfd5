/**
 * A streamed response goes from the container over its agent to the server and to the caller in pieces. So that no
 * process on the way has to hold more of it than this, the container may send so many bytes that the caller has not taken;
 * what it took is told back along the way as credit.
 */
export const STREAM_WINDOW_BYTES = 256 * 1024;
/** Of one piece: small enough for pieces of many responses to share a connection without waiting long for each other. */
export const CHUNK_BYTES_MAX = 64 * 1024;
/** Lambda's content type of a response whose function names none. */
export const STREAM_CONTENT_TYPE_DEFAULT = "application/octet-stream";

/** Credit is given in portions of at least this, a message each; a sender that waits has used four of them. */
const CREDIT_BYTES_MIN = STREAM_WINDOW_BYTES / 4;

/** The receiving end of one streamed response: what came, and how much of it is to be credited. */
export class StreamWindow {
  #unacknowledgedBytes = 0;
  #takenBytes = 0;

  /** @returns false: it is more than the sender had credit for. */
  receive(bytes: number): boolean {
    this.#unacknowledgedBytes += bytes;
    return this.#unacknowledgedBytes <= STREAM_WINDOW_BYTES;
  }

  /** Nobody waits for what is not taken. @returns the credit to give now. */
  takeAll(): number {
    const credit = this.#unacknowledgedBytes;
    this.#takenBytes = 0;
    this.#unacknowledgedBytes = 0;
    return credit;
  }

  /** Somebody took so many bytes. @returns the credit to give now; 0: later, with more. */
  take(bytes: number): number {
    this.#takenBytes += bytes;
    if (this.#takenBytes < CREDIT_BYTES_MIN) return 0;
    const credit = this.#takenBytes;
    this.#takenBytes = 0;
    this.#unacknowledgedBytes -= credit;
    return credit;
  }
}
