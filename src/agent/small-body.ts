import type { IncomingMessage } from "node:http";

/** Of a request that subscribes or registers: some hundred bytes are usual. */
const BODY_BYTES_MAX = 64 * 1024;

/** Calls `onBody` once with the whole body, or with undefined when it is too large; never when the request breaks off. */
export function readSmallBody(request: IncomingMessage, onBody: (body: Buffer | undefined) => void): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    else chunks = [];
  });
  request.on("end", () => onBody(bytes <= BODY_BYTES_MAX ? Buffer.concat(chunks) : undefined));
}
