import { Cron, type CronOptions } from "croner";

/** When a schedule ticks. */
export type ScheduleExpression = {
  /** The first tick after a moment; undefined: there is none any more. */
  next(afterMs: number): number | undefined;
  /** The last tick up to a moment, itself included, and after another; undefined: there is none. */
  latest(afterMs: number, untilMs: number): number | undefined;
};

/** The expression is not one; the message says why. */
export class ExpressionError extends Error {}

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const RATE_MAX = 100_000;

/**
 * Reads `rate(VALUE UNIT)`, `cron(minutes hours day-of-month month day-of-week year)` or `at(yyyy-mm-ddThh:mm:ss)` as
 * EventBridge does: Sunday is 1, one of the two day fields is `?`, `L`, `W` and `#` are known (AWS documentation, "Setting a
 * schedule pattern", "Schedule types").
 * @param timezone of cron and at. @param anchorMs ticks of a rate are counted from here. @throws ExpressionError.
 */
export function parseScheduleExpression(text: string, timezone: string, anchorMs: number): ScheduleExpression {
  const rate = /^rate\((\d+) (minute|hour|day)(s?)\)$/.exec(text);
  if (rate !== null) return rateOf(Number(rate[1]), rate[2] ?? "", rate[3] === "s", anchorMs);
  const moment = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/.exec(text)?.[1];
  if (moment !== undefined) return onceAt(moment, timezone);
  const fields = /^cron\(([^()]*)\)$/.exec(text)?.[1]?.trim().split(/\s+/);
  if (fields === undefined)
    throw new ExpressionError(`${text} is none of rate(…), cron(…) and at(yyyy-mm-ddThh:mm:ss)`);
  return cronOf(fields, timezone);
}

function rateOf(value: number, unit: string, isPlural: boolean, anchorMs: number): ScheduleExpression {
  if (value < 1 || value > RATE_MAX) throw new ExpressionError(`a rate's value is from 1 to ${RATE_MAX}`);
  if (isPlural !== value > 1) throw new ExpressionError(`rate(${value} …) wants ${unit}${value > 1 ? "s" : ""}`);
  const everyMs = value * (UNIT_MS[unit] ?? 0);
  const before = (ms: number) => anchorMs + Math.floor((ms - anchorMs) / everyMs) * everyMs;
  return {
    next: (afterMs) => Math.max(before(afterMs), anchorMs) + everyMs,
    latest: (afterMs, untilMs) => {
      const tickMs = before(untilMs);
      return tickMs > afterMs && tickMs > anchorMs ? tickMs : undefined;
    },
  };
}

function onceAt(moment: string, timezone: string): ScheduleExpression {
  // A day that a month does not have would be one of the next month.
  const date = new Date(`${moment}Z`);
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(moment)) {
    throw new ExpressionError(`${moment} is no time`);
  }
  const tickMs = croner(moment, timezone).nextRun(new Date(0))?.getTime() ?? 0;
  return {
    next: (afterMs) => (tickMs > afterMs ? tickMs : undefined),
    latest: (afterMs, untilMs) => (tickMs > afterMs && tickMs <= untilMs ? tickMs : undefined),
  };
}

function cronOf(fields: readonly string[], timezone: string): ScheduleExpression {
  const [minutes, hours, dayOfMonth, month, dayOfWeek, year] = fields;
  if (fields.length !== 6) throw new ExpressionError("cron wants six fields: minutes hours day month weekday year");
  if ((dayOfMonth === "?") === (dayOfWeek === "?")) throw new ExpressionError("one of cron's two day fields must be ?");
  if ([minutes, hours, month, year].includes("?")) throw new ExpressionError("only cron's day fields may be ?");
  const cron = croner(["0", ...fields].join(" "), timezone, {
    mode: "7-part",
    alternativeWeekdays: true, // 1 is Sunday, as for EventBridge.
    sloppyRanges: true, // 0/15
  });
  return {
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
    latest: (afterMs, untilMs) => {
      // Those before a moment are asked for: one second later than the last that counts.
      const tickMs = cron.previousRuns(1, new Date(untilMs + 1000))[0]?.getTime();
      return tickMs !== undefined && tickMs > afterMs && tickMs <= untilMs ? tickMs : undefined;
    },
  };
}

/** Runs nothing by itself. @throws ExpressionError also for a time zone that is none. */
function croner(pattern: string, timezone: string, options: CronOptions = {}): Cron {
  try {
    const cron = new Cron(pattern, { ...options, timezone, paused: true });
    cron.nextRun(new Date(0)); // Only this looks at the time zone.
    return cron;
  } catch (error) {
    throw new ExpressionError((error as Error).message);
  }
}
