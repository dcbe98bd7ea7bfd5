import fc from "fast-check";
import { expect, test } from "vitest";
import { durationText, parseDurationMs } from "./duration.ts";

test("what is written is read back as the same number", () => {
  const ms = fc.oneof(
    fc.nat(),
    fc.nat(48).map((hours) => hours * 3_600_000),
    fc.nat(999).map((s) => s * 1000),
  );
  fc.assert(fc.property(ms, (value) => parseDurationMs(durationText(value)) === value));
});

test("units, fractions, and what is no length of time", () => {
  expect(["500ms", "30s", "5m", " 1.5h ", "2d", "0s"].map(parseDurationMs)).toEqual([
    500, 30_000, 300_000, 5_400_000, 172_800_000, 0,
  ]);
  for (const text of ["", "5", "m", "-5m", "5 m", "1e3s", "5w", "9999999999999s", "5m5s", "Infinityh"]) {
    expect(parseDurationMs(text), text).toBeUndefined();
  }
});
