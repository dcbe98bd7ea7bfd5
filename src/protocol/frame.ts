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

/** Lambda's largest response (6,291,556 bytes) and room for the header. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;

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

/**
 * Cuts a stream of bytes into frames. Chunks may be reused by their owner after `push` returns:
 * payloads are copies.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Size of the frame that `#pending` is a part of, 0 if not yet known. */
  #wantedBytes = 0;

  constructor(frameBytesMax = FRAME_BYTES_MAX) {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * @param onFrame called for each whole frame, in order.
   * @throws Error when the bytes are no frames (too large, header beyond the frame, header not JSON).
   */
  push(chunk: Buffer, onFrame: (header: unknown, payload: Buffer) => void): void {
    let bytes = chunk;
    if (this.#pendingBytes > 0) {
      this.#pending.push(Buffer.from(chunk));
      this.#pendingBytes += chunk.length;
      if (this.#pendingBytes < Math.max(4, this.#wantedBytes)) return;
      bytes = Buffer.concat(this.#pending);
      this.#pending = [];
      this.#pendingBytes = 0;
    }
    let offset = 0;
    this.#wantedBytes = 0;
    while (bytes.length - offset >= 4) {
      const bodyBytes = bytes.readUInt32LE(offset);
      if (bodyBytes < 4 || bodyBytes > this.#frameBytesMax) throw new Error(`frame of ${bodyBytes} bytes`);
      if (bytes.length - offset < 4 + bodyBytes) {
        this.#wantedBytes = 4 + bodyBytes;
        break;
      }
      const headerBytes = bytes.readUInt32LE(offset + 4);
      if (headerBytes > bodyBytes - 4) throw new Error("frame header beyond the frame");
      const headerStart = offset + 8;
      const header: unknown = JSON.parse(bytes.toString("utf8", headerStart, headerStart + headerBytes));
      const payloadBytes = bodyBytes - 4 - headerBytes;
      const payload =
        payloadBytes === 0 ? EMPTY : Buffer.from(bytes.subarray(headerStart + headerBytes, offset + 4 + bodyBytes));
      offset += 4 + bodyBytes;
      onFrame(header, payload);
    }
    if (offset < bytes.length) {
      this.#pending = [Buffer.from(bytes.subarray(offset))];
      this.#pendingBytes = bytes.length - offset;
    }
  }
}
