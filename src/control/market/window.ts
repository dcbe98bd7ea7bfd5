import type { Constraint, IsoWeekday } from "../../model/capacity.ts";

type Window = Extract<Constraint, { kind: "window" }>;

const DAY_MINUTES = 1440;

/** Whether a time window is open; a day in `days` is the one on which it opens. @param wallMs milliseconds since the epoch. */
export function isOpen(window: Window, wallMs: number): boolean {
  const { days, fromMinute, toMinute } = window;
  const local = localTime(window, wallMs);
  const minute = local.hour * 60 + local.minute;
  const today = local.dayOfWeek as IsoWeekday;
  if (fromMinute < toMinute) return days.includes(today) && minute >= fromMinute && minute < toMinute;
  const yesterday = (today === 1 ? 7 : today - 1) as IsoWeekday;
  return (days.includes(today) && minute >= fromMinute) || (days.includes(yesterday) && minute < toMinute);
}

/**
 * The next instant, in milliseconds since the epoch, at which the window may open or close: a boundary of its day, whether or
 * not the window is open on that day. Local times that a change of the clocks skips are moved on, as in `Temporal`.
 */
export function nextChangeMs(window: Window, wallMs: number): number {
  const local = localTime(window, wallMs);
  const midnight = local.startOfDay();
  let next = Number.POSITIVE_INFINITY;
  for (const days of [0, 1]) {
    const day = midnight.add({ days });
    for (const minute of [window.fromMinute, window.toMinute]) {
      const atMs = atMinute(day, minute).epochMilliseconds;
      if (atMs > wallMs && atMs < next) next = atMs;
    }
  }
  return next;
}

function localTime({ timeZone }: Window, wallMs: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(wallMs)).toZonedDateTimeISO(timeZone);
}

function atMinute(day: Temporal.ZonedDateTime, minute: number): Temporal.ZonedDateTime {
  if (minute >= DAY_MINUTES) return day.add({ days: 1 });
  return day.with({ hour: Math.floor(minute / 60), minute: minute % 60 });
}
