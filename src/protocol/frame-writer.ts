import type { Socket } from "node:net";

/** After this long without a write, the next frame leaves at once: nobody else is about to follow it. */
const QUIET_MS = 0.1;
/** Frames are joined into one buffer up to here; above, copying costs more than a vectored write. */
const JOIN_BYTES_MAX = 64 * 1024;

/**
 * Writes frames to a socket in their order. On a quiet link a frame leaves at once; on a busy one all frames of a
 * turn of the event loop leave in one write, which under load saves most of the system calls and wake-ups.
 */
export class FrameWriter {
  readonly #socket: Socket;
  #frames: Buffer[] = [];
  #framesBytes = 0;
  #wroteMs = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** What was given to `send` and is not yet with the kernel. */
  get unsentBytes(): number {
    return this.#framesBytes + this.#socket.writableLength;
  }

  send(frame: Buffer): void {
    if (this.#frames.length === 0) {
      const nowMs = performance.now();
      if (nowMs - this.#wroteMs > QUIET_MS) {
        this.#wroteMs = nowMs;
        this.#socket.write(frame);
        return;
      }
      setImmediate(this.#flushScheduled);
    }
    this.#frames.push(frame);
    this.#framesBytes += frame.length;
  }

  /** Writes what waits for the end of the turn. */
  flush(): void {
    const frames = this.#frames;
    const bytes = this.#framesBytes;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#framesBytes = 0;
    this.#wroteMs = performance.now();
    const socket = this.#socket;
    if (frames.length === 1) socket.write(frames[0] as Buffer);
    else if (bytes <= JOIN_BYTES_MAX) socket.write(Buffer.concat(frames, bytes));
    else {
      socket.cork();
      for (const frame of frames) socket.write(frame);
      socket.uncork();
    }
  }

  readonly #flushScheduled = (): void => this.flush();
}
