import type { LogEvent } from "../../ports/log-store.ts";
import { type EventPosition, isAfter } from "./event-position.ts";

/** CloudWatch's bound of one answer: its messages, and what it counts for each. */
const PAGE_BYTES_MAX = 1_048_576;
const EVENT_BYTES = 26;

/** After all events. */
export const LAST_EVENTS: EventPosition = { atMs: Number.MAX_SAFE_INTEGER, ordinal: 0 };

export type EventPageQuery = {
  readonly from: number;
  readonly limit: number;
  wants(event: LogEvent): boolean;
} & ({ readonly after: EventPosition } | { readonly before: EventPosition });

export type EventPage = {
  /** Oldest first. */
  readonly events: readonly LogEvent[];
  /** There may be more in the direction that was asked for. */
  readonly isCut: boolean;
};

/** The first events after a place, or the last ones before it, as many as fit into one answer. */
export async function eventPageOf(
  log: { read(fromMs: number, onEvent: (event: LogEvent) => boolean): Promise<void> },
  query: EventPageQuery,
): Promise<EventPage> {
  return "after" in query ? forwards(log, query, query.after) : backwards(log, query, query.before);
}

type Reader = Parameters<typeof eventPageOf>[0];

async function forwards(log: Reader, query: EventPageQuery, after: EventPosition): Promise<EventPage> {
  const events: LogEvent[] = [];
  let bytes = 0;
  let isCut = false;
  await log.read(Math.max(query.from, after.atMs), (event) => {
    if (!isAfter(event, after) || !query.wants(event)) return true;
    bytes += sizeOf(event);
    isCut = events.length === query.limit || (bytes > PAGE_BYTES_MAX && events.length > 0);
    if (!isCut) events.push(event);
    return !isCut;
  });
  return { events, isCut };
}

async function backwards(log: Reader, query: EventPageQuery, before: EventPosition): Promise<EventPage> {
  const events: LogEvent[] = [];
  let first = 0;
  let bytes = 0;
  let isCut = false;
  await log.read(query.from, (event) => {
    if (!isAfter(before, event)) return false;
    if (!query.wants(event)) return true;
    events.push(event);
    bytes += sizeOf(event);
    for (; events.length - first > query.limit || (bytes > PAGE_BYTES_MAX && events.length - first > 1); first++) {
      bytes -= sizeOf(events[first] as LogEvent);
    }
    if (first > query.limit) {
      events.splice(0, first);
      first = 0;
      isCut = true;
    }
    return true;
  });
  return { events: events.slice(first), isCut: isCut || first > 0 };
}

function sizeOf({ text }: LogEvent): number {
  return Buffer.byteLength(text) + EVENT_BYTES;
}
