import type { LogEvent } from "../../ports/log-store.ts";

/** A log stream, as far as its events that are still there tell. */
export type LogStream = { readonly name: string; readonly firstMs: number; readonly lastMs: number };

/** The streams of a log, by name. */
export async function streamsOf(log: {
  read(fromMs: number, onEvent: (event: LogEvent) => boolean): Promise<void>;
}): Promise<ReadonlyMap<string, LogStream>> {
  const streams = new Map<string, LogStream>();
  await log.read(0, ({ stream: name, atMs }) => {
    const known = streams.get(name);
    streams.set(name, { name, firstMs: known?.firstMs ?? atMs, lastMs: Math.max(known?.lastMs ?? 0, atMs) });
    return true;
  });
  return streams;
}
