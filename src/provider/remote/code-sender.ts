import type { Socket } from "node:net";
import { HearthError } from "../../model/error-code.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { CODE_PART_BYTES } from "../../protocol/host-protocol.ts";

/** Archives that are in memory at a time; of up to 50 MiB each. */
const SENDING_MAX = 4;
/** More than so many that wait are refused; they ask again. */
const WAITING_MAX = 1024;
/** A host that takes no part for so long is cut off: it keeps others waiting. */
const STALLED_MS_MAX = 20_000;

/** Sends functions' code to hosts, a few archives at a time. */
export class CodeSender {
  readonly #readCode: (sha256Hex: string) => Promise<Buffer>;
  readonly #waiting: (() => void)[] = [];
  #sending = 0;

  constructor(readCode: (sha256Hex: string) => Promise<Buffer>) {
    this.#readCode = readCode;
  }

  /** Sends the archive and ends the connection. @throws HearthError STORE_FAILED before anything was sent; Error when the host stalls. */
  async send(socket: Socket, sha256Hex: string): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) throw new HearthError("STORE_FAILED", "too many hosts fetch code");
    if (this.#sending < SENDING_MAX) this.#sending++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      socket.resume(); // It says nothing more; its end is seen only while it is read.
      if (!socket.destroyed) await sendParts(socket, await this.#readCode(sha256Hex));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#sending--;
      else next();
    }
  }
}

async function sendParts(socket: Socket, archive: Buffer): Promise<void> {
  socket.setTimeout(STALLED_MS_MAX, () => socket.destroy());
  for (let start = 0; start === 0 || start < archive.length; start += CODE_PART_BYTES) {
    const end = start + CODE_PART_BYTES;
    const header = { kind: "codePart", isLast: end >= archive.length };
    const hasRoom = socket.write(encodeFrame(header, archive.subarray(start, end)));
    if (!hasRoom && !(await drained(socket))) return;
  }
  socket.end();
}

/** @returns false when the connection has ended instead. */
function drained(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(false);
    const settle = (hasRoom: boolean) => () => {
      socket.off("drain", onDrain).off("close", onClose);
      resolve(hasRoom);
    };
    const [onDrain, onClose] = [settle(true), settle(false)];
    socket.on("drain", onDrain).on("close", onClose);
  });
}
