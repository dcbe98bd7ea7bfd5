import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { IsoWeekday } from "../../model/capacity.ts";
import { isWindowOpen } from "../../simulator/capacity-rules.ts";
import { isOpen, nextChangeMs } from "./window.ts";

const MINUTE_MS = 60_000;
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"];

/** Instants at which clocks of one of the zones are set forwards or backwards in 2026, and an ordinary one. */
const INSTANTS_MS = [
  Date.UTC(2026, 2, 29, 1),
  Date.UTC(2026, 9, 25, 1),
  Date.UTC(2026, 2, 8, 7),
  Date.UTC(2026, 10, 1, 6),
  Date.UTC(2026, 3, 4, 15),
  Date.UTC(2026, 9, 3, 15, 30),
  Date.UTC(2026, 5, 10, 12),
];

const minute = fc.oneof(fc.integer({ min: 0, max: 1440 }), fc.constantFrom(0, 60, 90, 120, 150, 180, 1439, 1440));
const windows = fc
  .record({
    kind: fc.constant("window" as const),
    timeZone: fc.constantFrom(...ZONES),
    days: fc.subarray<IsoWeekday>([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }),
    fromMinute: fc.oneof(fc.integer({ min: 0, max: 1439 }), fc.constantFrom(0, 60, 90, 120, 150, 180, 1439)),
    toMinute: minute,
  })
  .filter(({ fromMinute, toMinute }) => fromMinute !== toMinute);
const instants = fc
  .tuple(
    fc.constantFrom(...INSTANTS_MS),
    fc.integer({ min: -30 * 60, max: 30 * 60 }),
    fc.integer({ min: 0, max: 59_999 }),
  )
  .map(([atMs, minutes, ms]) => atMs + minutes * MINUTE_MS + ms);

describe("window", () => {
  it("is open at the same times as another calendar says", () => {
    fc.assert(
      fc.property(windows, instants, (window, atMs) => {
        expect(isOpen(window, atMs)).toBe(isWindowOpen(window, atMs));
      }),
    );
  });

  it("does not open or close before it says that it may, also when the clocks change", () => {
    fc.assert(
      fc.property(windows, instants, fc.float({ min: 0, max: 1, noNaN: true }), (window, atMs, share) => {
        const nextMs = nextChangeMs(window, atMs);
        expect(nextMs).toBeGreaterThan(atMs);
        const between = [atMs + (nextMs - 1 - atMs) * share, nextMs - 1];
        for (const eachMs of between) expect(isOpen(window, eachMs)).toBe(isOpen(window, atMs));
      }),
      { numRuns: 500 },
    );
  });

  it("opens again in the hour that comes twice", () => {
    // Berlin, 25 October: 02:00 to 03:00 is there twice, from 00:00 and from 01:00 UTC.
    const window = {
      kind: "window",
      timeZone: "Europe/Berlin",
      days: [7],
      fromMinute: 120,
      toMinute: 150,
    } as const;
    const closedMs = Date.UTC(2026, 9, 25, 0, 40);
    expect(isOpen(window, closedMs)).toBe(false);
    expect(nextChangeMs(window, closedMs)).toBe(Date.UTC(2026, 9, 25, 1));
    expect(isOpen(window, Date.UTC(2026, 9, 25, 1))).toBe(true);
  });
});
