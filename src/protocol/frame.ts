import { RESPONSE_BYTES_MAX } from "../model/response-limit.ts";

/**
 * The wire format on every link (server and agent, agent and container): a frame is
 *
 *     u32 LE  bytes that follow
 *     u32 LE  bytes of the header
 *     header  JSON
 *     payload bytes, opaque (a function's payload is never parsed on the way)
 *
 * Frames written in one turn of the event loop leave in one write: under load that saves most
 * of the system calls of the invocation path.
 */

/** Of a frame between server and agent: the largest payload and room for the header. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Of a frame that a container sends. Smaller than the agent's own, so that whatever a container says still fits when
 * the agent passes it on below a longer header.
 */
export const CONTAINER_FRAME_BYTES_MAX = RESPONSE_BYTES_MAX + 64 * 1024;

const EMPTY = Buffer.alloc(0);

/** One frame, ready to be written. @param header anything that JSON can say. */
export function encodeFrame(header: object, payload: Buffer = EMPTY): Buffer {
  const text = JSON.stringify(header);
  const headerBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(8 + headerBytes + payload.length);
  frame.writeUInt32LE(4 + headerBytes + payload.length, 0);
  frame.writeUInt32LE(headerBytes, 4);
  frame.write(text, 8, headerBytes, "utf8");
  if (payload.length > 0) payload.copy(frame, 8 + headerBytes);
  return frame;
}

const LENGTH_BYTES = 4;

type OnFrame = (header: unknown, payload: Buffer) => void;

/**
 * Cuts a stream of bytes into frames. Chunks may be reused by their owner after `push` returns: payloads are copies.
 * A frame that comes in pieces is put together in one buffer, made when its length is known; its payload is a part of
 * that buffer, so that a large payload is held once.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;
  /** What follows the length, of a frame that comes in pieces. */
  #body: Buffer | undefined;
  #bodyFilled = 0;

  constructor(frameBytesMax = FRAME_BYTES_MAX) {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * @param onFrame called for each whole frame, in order.
   * @throws Error when the bytes are no frames (too large, header beyond the frame, header not JSON).
   */
  push(chunk: Buffer, onFrame: OnFrame): void {
    let offset = 0;
    while (offset < chunk.length) {
      const isAtStart = this.#lengthFilled === 0 && chunk.length - offset >= LENGTH_BYTES;
      const bodyStart = offset + LENGTH_BYTES;
      const bodyEnd = isAtStart ? bodyStart + this.#bodyBytes(chunk, offset) : Number.POSITIVE_INFINITY;
      if (bodyEnd <= chunk.length) {
        deliver(chunk, bodyStart, bodyEnd, true, onFrame);
        offset = bodyEnd;
      } else {
        offset = this.#gather(chunk, offset, onFrame);
      }
    }
  }

  /** Takes the next piece of a frame. @returns where it ends in the chunk. */
  #gather(chunk: Buffer, start: number, onFrame: OnFrame): number {
    let offset = start;
    if (this.#body === undefined) {
      const taken = chunk.copy(this.#length, this.#lengthFilled, offset);
      this.#lengthFilled += taken;
      offset += taken;
      if (this.#lengthFilled < LENGTH_BYTES) return offset;
      this.#body = Buffer.allocUnsafe(this.#bodyBytes(this.#length, 0));
      this.#bodyFilled = 0;
    }
    const body = this.#body;
    const taken = chunk.copy(body, this.#bodyFilled, offset);
    this.#bodyFilled += taken;
    if (this.#bodyFilled === body.length) {
      this.#body = undefined;
      this.#lengthFilled = 0;
      deliver(body, 0, body.length, false, onFrame);
    }
    return offset + taken;
  }

  #bodyBytes(bytes: Buffer, offset: number): number {
    const bodyBytes = bytes.readUInt32LE(offset);
    if (bodyBytes < 4 || bodyBytes > this.#frameBytesMax) throw new Error(`frame of ${bodyBytes} bytes`);
    return bodyBytes;
  }
}

function deliver(bytes: Buffer, start: number, end: number, isBorrowed: boolean, onFrame: OnFrame): void {
  const headerStart = start + 4;
  const payloadStart = headerStart + bytes.readUInt32LE(start);
  if (payloadStart > end) throw new Error("frame header beyond the frame");
  const header: unknown = JSON.parse(bytes.toString("utf8", headerStart, payloadStart));
  const payload = payloadStart === end ? EMPTY : bytes.subarray(payloadStart, end);
  onFrame(header, isBorrowed && payload !== EMPTY ? Buffer.from(payload) : payload);
}
