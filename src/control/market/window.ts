import type { Constraint, IsoWeekday } from "../../model/capacity.ts";

type Window = Extract<Constraint, { kind: "window" }>;

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
 * not the window is open on that day, or a change of the clocks, which skips local times or repeats them.
 */
export function nextChangeMs(window: Window, wallMs: number): number {
  const local = localTime(window, wallMs);
  const today = local.toPlainDate();
  let next = local.getTimeZoneTransition("next")?.epochMilliseconds ?? Number.POSITIVE_INFINITY;
  for (const days of [0, 1]) {
    const day = today.add({ days });
    for (const minute of [window.fromMinute, window.toMinute]) {
      for (const atMs of instantsOf(day, minute, window.timeZone)) if (atMs > wallMs && atMs < next) next = atMs;
    }
  }
  return next;
}

function localTime({ timeZone }: Window, wallMs: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(wallMs)).toZonedDateTimeISO(timeZone);
}

/** A local time comes twice when clocks are set back; where it is skipped, those before and after the gap stand for it. */
function instantsOf(day: Temporal.PlainDate, minute: number, timeZone: string): number[] {
  const local = day.toPlainDateTime().add({ minutes: minute });
  return (["earlier", "later"] as const).map(
    (disambiguation) => local.toZonedDateTime(timeZone, { disambiguation }).epochMilliseconds,
  );
}
