import type { LogEvent } from "../../ports/log-store.ts";
import { invalidParameter } from "./log-errors.ts";

/** A place in a log: that of one event. Pages begin and end there, however the log grows. */
export type EventPosition = Pick<LogEvent, "atMs" | "ordinal">;

/** Before all events. */
export const FIRST: EventPosition = { atMs: 0, ordinal: 0 };

const ID_LENGTH = 56;
const ORDINAL_LENGTH = 12;

/** An event's name, as long as CloudWatch's; they sort as the events do. */
export function eventIdOf({ atMs, ordinal }: EventPosition): string {
  return `${atMs}${String(ordinal).padStart(ORDINAL_LENGTH, "0")}`.padStart(ID_LENGTH, "0");
}

export function isAfter(a: EventPosition, b: EventPosition): boolean {
  return a.atMs > b.atMs || (a.atMs === b.atMs && a.ordinal > b.ordinal);
}

export function tokenOf(position: EventPosition): string {
  return `${position.atMs}.${position.ordinal}`;
}

/** @throws LambdaError InvalidParameterException. */
export function positionOf(token: string): EventPosition {
  const [, atMs, ordinal] = /^(\d{1,15})\.(-?\d{1,9})$/.exec(token) ?? [];
  if (atMs === undefined) throw invalidParameter("The specified nextToken is invalid.");
  return { atMs: Number(atMs), ordinal: Number(ordinal) };
}
