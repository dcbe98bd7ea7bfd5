import type { Socket } from "node:net";
import { HearthError } from "../../model/error-code.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { CODE_PART_BYTES } from "../../protocol/host-protocol.ts";

const LIMITS = {
  /** Archives that are in memory at a time; of up to 50 MiB each. */
  sendingMax: 4,
  /** Of one host: others have a turn, however slowly it reads. */
  sendingPerHostMax: 2,
  /** More than so many that wait are refused; they ask again. */
  waitingMax: 1024,
  waitingPerHostMax: 256,
  /** A host that takes no part for so long is cut off: it keeps others waiting. */
  stalledMsMax: 20_000,
  /** Of a whole archive; a host waits no longer for one. */
  sendingMsMax: 120_000,
  /** How often a host that waits for its turn is told so: it gives up a server that says nothing for 20 s. */
  waitingWordMs: 5_000,
};

type Waiting = { readonly hostId: string; readonly begin: () => void };

/** Sends functions' code to hosts, a few archives at a time. */
export class CodeSender {
  readonly #readCode: (sha256Hex: string, hostId: string) => Promise<Buffer>;
  readonly #limits: typeof LIMITS;
  readonly #waiting: Waiting[] = [];
  /** The host of each archive that is being sent. */
  readonly #sending: string[] = [];

  constructor(readCode: (sha256Hex: string, hostId: string) => Promise<Buffer>, limits: Partial<typeof LIMITS> = {}) {
    this.#readCode = readCode;
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * Sends the archive and waits for the connection's end.
   * @param mayWait the host understands that it still has to wait. @throws HearthError STORE_FAILED before anything was sent.
   */
  async send(socket: Socket, sha256Hex: string, hostId: string, mayWait = false): Promise<void> {
    const { waitingMax, waitingPerHostMax } = this.#limits;
    if (this.#waiting.length >= waitingMax || countOf(hostId, this.#waiting.map(hostOf)) >= waitingPerHostMax)
      throw new HearthError("STORE_FAILED", "too much code is asked for at a time");
    await this.#turn(socket, hostId, mayWait);
    try {
      socket.resume(); // It says nothing more; its end is seen only while it is read.
      if (!socket.destroyed) await this.#sendParts(socket, await this.#readCode(sha256Hex, hostId));
    } finally {
      this.#sending.splice(this.#sending.indexOf(hostId), 1);
      this.#beginNext();
    }
  }

  async #turn(socket: Socket, hostId: string, mayWait: boolean): Promise<void> {
    const word = encodeFrame({ kind: "heartbeat" });
    const timer = mayWait ? setInterval(() => socket.write(word), this.#limits.waitingWordMs) : undefined;
    await new Promise<void>((begin) => {
      this.#waiting.push({ hostId, begin });
      this.#beginNext();
    });
    clearInterval(timer);
  }

  #beginNext(): void {
    const { sendingMax, sendingPerHostMax } = this.#limits;
    while (this.#sending.length < sendingMax) {
      const at = this.#waiting.findIndex(({ hostId }) => countOf(hostId, this.#sending) < sendingPerHostMax);
      const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (next === undefined) return;
      this.#sending.push(next.hostId);
      next.begin();
    }
  }

  /** Not by the socket's own time-out, which a peer that says something puts off. */
  async #sendParts(socket: Socket, archive: Buffer): Promise<void> {
    const { sendingMsMax, stalledMsMax } = this.#limits;
    const whole = setTimeout(() => socket.destroy(), sendingMsMax);
    try {
      for (let start = 0; start === 0 || start < archive.length; start += CODE_PART_BYTES) {
        const end = start + CODE_PART_BYTES;
        const header = { kind: "codePart", isLast: end >= archive.length };
        const hasRoom = socket.write(encodeFrame(header, archive.subarray(start, end)));
        if (!hasRoom) await either(socket, "drain", stalledMsMax);
        if (socket.destroyed) return;
      }
      socket.end();
      await either(socket, "close", stalledMsMax);
    } finally {
      clearTimeout(whole);
    }
  }
}

/** Waits for the event or the connection's end, which comes at the latest after `msMax`. */
function either(socket: Socket, event: "drain" | "close", msMax: number): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    const timer = setTimeout(() => socket.destroy(), msMax);
    const settle = () => {
      clearTimeout(timer);
      socket.off(event, settle).off("close", settle);
      resolve();
    };
    socket.on(event, settle).on("close", settle);
  });
}

function hostOf({ hostId }: Waiting): string {
  return hostId;
}

function countOf(hostId: string, hostIds: readonly string[]): number {
  return hostIds.filter((each) => each === hostId).length;
}
