import type { Socket } from "node:net";
import { FRAME_BYTES_MAX } from "../protocol/frame.ts";

const LENGTHS_BYTES = 8;

export type FramePassageOptions = {
  /** Where the bytes go. */
  readonly to: Socket;
  /** Whether the frame with this header (JSON text) is taken out of the stream; asked once per frame. */
  takes(header: Buffer): boolean;
  /** A whole frame that was taken, as it came. */
  onTaken(frame: Buffer): void;
};

/**
 * Passes a stream of frames on as it comes, byte for byte and without waiting for their ends, save those that are taken
 * out. Frames of one's own can be put in between.
 */
export class FramePassage {
  readonly #options: FramePassageOptions;
  /** Of a frame that is not decided yet, or is being taken. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #wantedBytes = LENGTHS_BYTES;
  #isTaking = false;
  /** Of a frame whose beginning was passed on. */
  #passingBytes = 0;
  #put: Buffer[] = [];

  constructor(options: FramePassageOptions) {
    this.#options = options;
  }

  /** @throws Error when the bytes are no frames. */
  push(chunk: Buffer): void {
    const { to } = this.#options;
    to.cork();
    let rest = chunk;
    while (rest.length > 0) rest = this.#passingBytes > 0 ? this.#pass(rest) : this.#gather(rest);
    to.uncork();
  }

  /** Sends a frame of one's own as soon as no other is on its way. */
  put(frame: Buffer): void {
    if (this.#passingBytes > 0) this.#put.push(frame);
    else this.#options.to.write(frame);
  }

  #pass(bytes: Buffer): Buffer {
    const passed = bytes.subarray(0, this.#passingBytes);
    this.#options.to.write(passed);
    this.#passingBytes -= passed.length;
    if (this.#passingBytes === 0) for (const frame of this.#put.splice(0)) this.#options.to.write(frame);
    return bytes.subarray(passed.length);
  }

  #gather(bytes: Buffer): Buffer {
    const taken = bytes.subarray(0, this.#wantedBytes - this.#partsBytes);
    this.#parts.push(taken);
    this.#partsBytes += taken.length;
    if (this.#partsBytes === this.#wantedBytes) this.#decide(this.#joined());
    return bytes.subarray(taken.length);
  }

  /** Called when what was wanted is there: the two lengths, then the header, then all of a frame that is taken. */
  #decide(frame: Buffer): void {
    if (this.#isTaking) return this.#take(frame);
    const frameBytes = 4 + frame.readUInt32LE(0);
    const headerEnd = LENGTHS_BYTES + frame.readUInt32LE(4);
    if (frameBytes > FRAME_BYTES_MAX + 4 || headerEnd > frameBytes) throw new Error(`frame of ${frameBytes} bytes`);
    if (frame.length < headerEnd) {
      this.#wantedBytes = headerEnd;
      return;
    }
    if (!this.#options.takes(frame.subarray(LENGTHS_BYTES))) {
      this.#begin();
      this.#options.to.write(frame);
      this.#passingBytes = frameBytes - frame.length;
    } else if (frame.length === frameBytes) {
      this.#take(frame);
    } else {
      this.#isTaking = true;
      this.#wantedBytes = frameBytes;
    }
  }

  #take(frame: Buffer): void {
    this.#begin();
    this.#options.onTaken(frame);
  }

  #begin(): void {
    this.#parts = [];
    this.#partsBytes = 0;
    this.#wantedBytes = LENGTHS_BYTES;
    this.#isTaking = false;
  }

  #joined(): Buffer {
    const [first] = this.#parts;
    const joined = first !== undefined && this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    this.#parts = [joined];
    return joined;
  }
}
