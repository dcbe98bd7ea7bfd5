import type { Socket } from "node:net";
import { ZIP_BYTES_MAX } from "../ports/code-store.ts";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { CODE_PART_BYTES, type HostGreeting, serverToHostSchema } from "../protocol/host-protocol.ts";

/** Of a 50 MiB archive over a slow line, once its first part is there. */
const FETCH_MS_MAX = 120_000;
/** Without a word: a server that stands still is given up sooner. */
const STALLED_MS_MAX = 20_000;
const TRIES_MAX = 3;
const PAUSE_MS = 300;
const FRAME_BYTES_MAX = CODE_PART_BYTES + 64 * 1024;

/** Gets an archive from the server, over a connection of its own. What it is worth, its hash says. @throws Error after some tries. */
export async function fetchCode(dial: () => Promise<Socket>, sha256Hex: string): Promise<Buffer> {
  for (let tries = 1; ; tries++) {
    try {
      return await receive(await dial(), sha256Hex);
    } catch (error) {
      if (tries >= TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries));
    }
  }
}

function receive(socket: Socket, sha256Hex: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const decoder = new FrameDecoder(FRAME_BYTES_MAX);
    const parts: Buffer[] = [];
    let bytes = 0;
    const fail = (reason: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(`code ${sha256Hex}: ${reason}`));
    };
    let timer: NodeJS.Timeout | undefined;
    const take = (header: unknown, payload: Buffer) => {
      const message = serverToHostSchema.parse(header);
      if (message.kind === "refused") return fail(message.detail);
      if (message.kind === "heartbeat") return; // Others have their turn before.
      if (message.kind !== "codePart") throw new Error(`${message.kind} instead of code`);
      timer ??= setTimeout(() => fail(`not here after ${FETCH_MS_MAX} ms`), FETCH_MS_MAX);
      parts.push(payload);
      bytes += payload.length;
      if (bytes > ZIP_BYTES_MAX) throw new Error(`over ${ZIP_BYTES_MAX} bytes`);
      if (!message.isLast) return;
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(parts, bytes));
    };
    socket.setTimeout(STALLED_MS_MAX, () => fail("the server stands still"));
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", () => fail("the connection ended before the code"));
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.push(chunk, take);
      } catch (error) {
        fail((error as Error).message);
      }
    });
    const asked: HostGreeting = { kind: "fetchCode", sha256Hex, mayWait: true };
    socket.write(encodeFrame(asked));
    socket.resume();
  });
}
