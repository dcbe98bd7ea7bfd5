import { setTimeout as delay } from "node:timers/promises";

/** How long the last bytes of a container that ended are waited for: another process may still hold the pipe. */
const DRAIN_MS_MAX = 500;

/** Resolves when everything of the stream was read, or it broke. */
export function ended(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("end", resolve);
    stream.once("close", resolve);
  });
}

/** Waits for something that normally happens at once, and no longer than `DRAIN_MS_MAX`. Never rejects. */
export async function soon(happened: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const bound = delay(DRAIN_MS_MAX, undefined, { signal: timer.signal });
  await Promise.race([happened, bound]).catch(() => {});
  timer.abort();
  await bound.catch(() => {});
}
