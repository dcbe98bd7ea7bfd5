import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExpressionError, parseScheduleExpression } from "./schedule-expression.ts";

const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

describe("the next tick", () => {
  test.for([
    ["cron(15 10 ? * MON-FRI *)", "Europe/Berlin", "2026-12-04T09:15:00Z", "2026-12-07T09:15:00.000Z"],
    ["cron(0/15 * * * ? *)", "UTC", "2026-12-01T00:01:00Z", "2026-12-01T00:15:00.000Z"],
    ["cron(0 10 L * ? *)", "UTC", "2027-02-01T00:00:00Z", "2027-02-28T10:00:00.000Z"],
    ["cron(0 10 ? * 6#3 *)", "UTC", "2026-12-01T00:00:00Z", "2026-12-18T10:00:00.000Z"],
    ["cron(0 10 ? * 6L *)", "UTC", "2026-12-01T00:00:00Z", "2026-12-25T10:00:00.000Z"],
    ["cron(0 10 3W * ? *)", "UTC", "2026-12-01T00:00:00Z", "2026-12-03T10:00:00.000Z"],
    ["cron(0 10 ? * 1 *)", "UTC", "2026-12-01T00:00:00Z", "2026-12-06T10:00:00.000Z"],
    ["cron(0 10 1 1 ? 2026)", "UTC", "2026-12-01T00:00:00Z", undefined],
    ["cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00.000Z"],
    ["at(2026-12-24T18:00:00)", "Europe/Berlin", "2026-12-01T00:00:00Z", "2026-12-24T17:00:00.000Z"],
    ["at(2026-12-24T18:00:00)", "Europe/Berlin", "2026-12-24T17:00:00Z", undefined],
    ["rate(5 minutes)", "UTC", "2026-12-01T00:07:00Z", "2026-12-01T00:10:00.000Z"],
    ["rate(1 day)", "UTC", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00.000Z"],
  ] as const)("%s in %s after %s", ([expression, timezone, after, next]) => {
    expect(iso(parseScheduleExpression(expression, timezone, at("2026-12-01T00:00:00Z")).next(at(after)))).toBe(next);
  });
});

test.for([
  "",
  "every day",
  "rate(0 minutes)",
  "rate(1 minutes)",
  "rate(2 minute)",
  "rate(5 seconds)",
  "rate(1.5 hours)",
  "cron(* * * * *)",
  "cron(* * * * * *)",
  "cron(* * ? * ? *)",
  "cron(? * * * ? *)",
  "cron(61 * * * ? *)",
  "cron(0 10 ? * NODAY *)",
  "at(2026-12-24)",
  "at(2026-13-24T18:00:00)",
  "at(2026-02-30T18:00:00)",
])("%s is none", (text) => {
  expect(() => parseScheduleExpression(text, "UTC", 0)).toThrow(ExpressionError);
});

test("a time zone that is none", () => {
  for (const text of ["cron(0 10 * * ? *)", "at(2026-12-24T18:00:00)"]) {
    expect(() => parseScheduleExpression(text, "Middle/Earth", 0), text).toThrow(ExpressionError);
  }
});

test("ticks are the same whether one looks forward or back, also where clocks are changed", () => {
  const expression = fc.constantFrom(
    "cron(0 * * * ? *)",
    "cron(30 2 * * ? *)",
    "cron(0/7 1-3 ? * SUN *)",
    "rate(7 minutes)",
    "rate(3 hours)",
    "rate(1 day)",
    "at(2026-07-01T12:00:00)",
  );
  const day = 86_400_000;
  const afterMs = fc.integer({ min: at("2026-03-20T00:00:00Z"), max: at("2026-11-05T00:00:00Z") });
  fc.assert(
    fc.property(expression, afterMs, fc.integer({ min: 0, max: 3 * day }), (text, fromMs, lengthMs) => {
      const schedule = parseScheduleExpression(text, "Europe/Berlin", at("2026-01-01T00:00:00Z"));
      let last: number | undefined;
      let next = schedule.next(fromMs);
      for (let count = 0; next !== undefined && next <= fromMs + lengthMs && count < 2000; count++) {
        expect(next).toBeGreaterThan(last ?? fromMs);
        last = next;
        next = schedule.next(next);
      }
      expect(iso(schedule.latest(fromMs, fromMs + lengthMs))).toBe(iso(last));
    }),
    { numRuns: 60 },
  );
});
