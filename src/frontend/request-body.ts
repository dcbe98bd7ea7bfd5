import type { IncomingMessage } from "node:http";

const EMPTY = Buffer.alloc(0);

/** Why a body is not there: it exceeds its own limit, or there is no room for more bodies now. */
export type BodyRefusal = "tooLarge" | "noRoom";

/**
 * Collects a request's body. `done` is called once: with the body, or with why not as soon as that is known (the rest
 * is thrown away as it comes); never when the caller goes away first. A body that came in one chunk is not copied.
 *
 * @param reserve asked for each chunk that arrived, not for what was promised: who promises much and sends nothing
 *   takes nothing.
 */
export function collectBody(
  request: IncomingMessage,
  bytesMax: number,
  reserve: (bytes: number) => boolean,
  done: (body: Buffer | BodyRefusal) => void,
): void {
  let first: Buffer = EMPTY;
  let rest: Buffer[] | undefined;
  let bytes = 0;
  let isRefused = false;
  const refuse = (why: BodyRefusal) => {
    isRefused = true;
    first = EMPTY;
    rest = undefined;
    done(why);
  };
  request.on("data", (chunk: Buffer) => {
    if (isRefused) return;
    bytes += chunk.length;
    if (bytes > bytesMax) refuse("tooLarge");
    else if (!reserve(chunk.length)) refuse("noRoom");
    else if (first === EMPTY) first = chunk;
    else if (rest === undefined) rest = [first, chunk];
    else rest.push(chunk);
  });
  request.on("end", () => {
    if (!isRefused) done(rest === undefined ? first : Buffer.concat(rest, bytes));
  });
}
