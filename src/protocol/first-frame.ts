import type { Socket } from "node:net";

/** The header of a connection's first frame, and everything that was read so far, that frame included. */
export type FirstFrame = { readonly header: unknown; readonly bytes: Buffer; readonly frameBytes: number };

const LENGTHS_BYTES = 8;

/**
 * Reads until the first frame (`frame.ts`) is whole and leaves the socket paused and without listeners of its own, so
 * that whoever it is meant for can have it: by `socket.unshift(bytes)` from its beginning.
 * @throws Error when the bytes are no frame, it is larger than `bytesMax`, it does not come within `timeoutMs`, or the
 *   connection ends. The socket is destroyed then.
 */
export function readFirstFrame(socket: Socket, bytesMax: number, timeoutMs: number): Promise<FirstFrame> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let wantedBytes = LENGTHS_BYTES;
    const settle = () => {
      clearTimeout(timer);
      socket.off("data", take).off("close", onClose);
      socket.pause();
    };
    const fail = (reason: string) => {
      settle();
      socket.destroy();
      reject(new Error(reason));
    };
    const onClose = () => fail("the connection ended before its first frame");
    const timer = setTimeout(() => fail(`no first frame within ${timeoutMs} ms`), timeoutMs);
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < wantedBytes) return;
      const all = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes);
      chunks.splice(0, chunks.length, all);
      wantedBytes = 4 + all.readUInt32LE(0);
      if (wantedBytes < LENGTHS_BYTES || wantedBytes > bytesMax) return fail(`a first frame of ${wantedBytes} bytes`);
      if (bytes < wantedBytes) return;
      const headerEnd = LENGTHS_BYTES + all.readUInt32LE(4);
      if (headerEnd > wantedBytes) return fail("frame header beyond the frame");
      const header = parsed(all.toString("utf8", LENGTHS_BYTES, headerEnd));
      if (header === undefined) return fail("a frame header that is no JSON");
      settle();
      resolve({ header, bytes: all, frameBytes: wantedBytes });
    };
    socket.on("data", take);
    socket.on("close", onClose);
    socket.resume();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
