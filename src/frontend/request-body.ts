import type { IncomingMessage } from "node:http";

const EMPTY = Buffer.alloc(0);

/**
 * Collects a request's body. `done` is called once: with the body, or with undefined as soon as it
 * exceeds `bytesMax` (the rest is thrown away as it comes); never when the caller goes away first.
 * A body that came in one chunk is not copied.
 */
export function collectBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (body: Buffer | undefined) => void,
): void {
  let first: Buffer = EMPTY;
  let rest: Buffer[] | undefined;
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    if (bytes > bytesMax) return;
    bytes += chunk.length;
    if (bytes > bytesMax) {
      first = EMPTY;
      rest = undefined;
      done(undefined);
    } else if (first === EMPTY) first = chunk;
    else if (rest === undefined) rest = [first, chunk];
    else rest.push(chunk);
  });
  request.on("end", () => {
    if (bytes <= bytesMax) done(rest === undefined ? first : Buffer.concat(rest, bytes));
  });
}
