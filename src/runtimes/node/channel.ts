import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { FrameDecoder } from "../../protocol/frame.ts";

/** A header, a payload and eight bytes of lengths are put together here, to leave in one write. */
const OUTPUT_BYTES = 128 * 1024;
const INPUT_BYTES = 64 * 1024;
/** UTF-8 takes at most this many bytes for one unit of a string. */
const BYTES_PER_UNIT_MAX = 3;
/** How long to sleep when the agent has not yet read what was written before. */
const AGENT_BUSY_SLEEP_MS = 0.1;

const { wait } = Atomics;
const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** The part of the channel that answers and log lines go to. */
export type Outlet = Pick<Channel, "send" | "sendBytes" | "ref" | "unref">;

/**
 * The runtime's end of the socket to the agent (file descriptor 3).
 *
 * Reads come from the event loop into one buffer. Writes are synchronous system calls from one
 * buffer: that is cheaper than a stream, keeps a loop of `console.log` from filling the memory, and
 * still works while the process exits.
 */
export class Channel {
  readonly #fd: number;
  readonly #onEnd: (violation?: Error) => void;
  readonly #socket: Socket;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  #isAgentGone = false;

  /**
   * @param onFrame called for each frame of the agent, in order. @throws Error when the frame is out of place.
   * @param onEnd called when the agent is gone (no violation), or its bytes are no frames or out of place.
   */
  constructor(fd: number, onFrame: (header: unknown, payload: Buffer) => void, onEnd: (violation?: Error) => void) {
    this.#fd = fd;
    this.#onEnd = onEnd;
    const decoder = new FrameDecoder();
    this.#socket = new Socket({
      fd,
      onread: {
        buffer: Buffer.allocUnsafeSlow(INPUT_BYTES),
        callback: (bytesRead, buffer) => {
          try {
            decoder.push((buffer as Buffer).subarray(0, bytesRead), onFrame);
          } catch (error) {
            onEnd(error as Error);
          }
          return true;
        },
      },
    });
    this.#socket.on("end", () => this.#endAsAgentIsGone());
    this.#socket.on("error", () => this.#endAsAgentIsGone());
  }

  /** The process lives on for the agent's sake. */
  ref(): void {
    this.#socket.ref();
  }

  /** The process no longer lives on for the agent's sake: Node says `beforeExit` when the function's work is done. */
  unref(): void {
    this.#socket.unref();
  }

  /** Another process speaks for this one from now on. */
  release(): void {
    this.#socket.pause();
  }

  /**
   * Leaves at once: what a function logged before it went into an endless loop must be there when its time is up. A
   * write costs about 3 µs.
   */
  send(header: string, payload: string): void {
    const bytesMax = 8 + (header.length + payload.length) * BYTES_PER_UNIT_MAX;
    if (bytesMax > OUTPUT_BYTES) {
      this.#writeLarge(header, payload);
      return;
    }
    const output = this.#output;
    const headerBytes = output.write(header, 8);
    const payloadBytes = payload === "" ? 0 : output.write(payload, 8 + headerBytes);
    output.writeUInt32LE(4 + headerBytes + payloadBytes, 0);
    output.writeUInt32LE(headerBytes, 4);
    this.#write(output, 8 + headerBytes + payloadBytes);
  }

  /** Like `send`, for a payload that is no text. */
  sendBytes(header: string, payload: Buffer): void {
    const headerBytes = Buffer.byteLength(header);
    const bytes = 8 + headerBytes + payload.length;
    const frame = bytes <= OUTPUT_BYTES ? this.#output : Buffer.allocUnsafeSlow(bytes);
    frame.writeUInt32LE(bytes - 4, 0);
    frame.writeUInt32LE(headerBytes, 4);
    frame.write(header, 8);
    payload.copy(frame, 8 + headerBytes);
    this.#write(frame, bytes);
  }

  #writeLarge(header: string, payload: string): void {
    const headerBytes = Buffer.byteLength(header);
    const payloadBytes = Buffer.byteLength(payload);
    const frame = Buffer.allocUnsafeSlow(8 + headerBytes + payloadBytes);
    frame.writeUInt32LE(4 + headerBytes + payloadBytes, 0);
    frame.writeUInt32LE(headerBytes, 4);
    frame.write(header, 8);
    frame.write(payload, 8 + headerBytes);
    this.#write(frame, frame.length);
  }

  /** Waits without bound for the agent to read: it always does, or closes the socket, which is an error here. */
  #write(buffer: Buffer, length: number): void {
    let offset = 0;
    while (offset < length && !this.#isAgentGone) {
      try {
        offset += writeSync(this.#fd, buffer, offset, length - offset);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") wait(sleepCell, 0, 0, AGENT_BUSY_SLEEP_MS);
        else this.#endAsAgentIsGone();
      }
    }
  }

  #endAsAgentIsGone(): void {
    this.#isAgentGone = true;
    this.#onEnd();
  }
}
