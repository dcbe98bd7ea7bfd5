import fc from "fast-check";
import { expect, test } from "vitest";
import { doubtAt, errorFactorAt, NO_PREDICTION_ERRORS, type PredictionErrors } from "./prediction-error.ts";

const errorsOf = (...errors: [cpuMilli: number, factor: number, chance: number][]): PredictionErrors =>
  errors
    .map(([cpuMilli, factor, chance]) => ({ cpuMilli, factor, chance }))
    .sort((one, other) => one.cpuMilli - other.cpuMilli);

test("where nothing was measured predictions stand", () => {
  expect(errorFactorAt(NO_PREDICTION_ERRORS, 1000)).toBe(1);
  expect(doubtAt(NO_PREDICTION_ERRORS, 1000)).toBe(0);
});

test("what was measured counts the more the less chance there is in it", () => {
  expect(errorFactorAt(errorsOf([1000, 1.2, 0]), 1000)).toBeCloseTo(1.2);
  // As much chance as predictions err: half way.
  expect(errorFactorAt(errorsOf([1000, 1.2, 0.04]), 1000)).toBeCloseTo(1.1);
  expect(errorFactorAt(errorsOf([1000, 1.2, 0.4]), 1000)).toBeLessThan(1.01);
});

test("between two measured limits on the line over 1/c, beyond them as at the nearest", () => {
  const errors = errorsOf([2000, 1.2, 0], [1000, 1, 0]);
  // 1/1333 is half way between 1/1000 and 1/2000.
  expect(errorFactorAt(errors, 4000 / 3)).toBeCloseTo(1.1);
  expect([100, 1000, 2000, 9000].map((milli) => errorFactorAt(errors, milli).toFixed(2))).toEqual([
    "1.00",
    "1.00",
    "1.20",
    "1.20",
  ]);
});

test("doubt grows with the distance from what was measured", () => {
  const errors = errorsOf([1000, 1, 0], [4000, 1, 0]);
  expect([doubtAt(errors, 1000), doubtAt(errors, 4000)]).toEqual([0, 0]);
  expect(doubtAt(errors, 1000 / Math.E)).toBeCloseTo(0.1);
  expect(doubtAt(errors, 250)).toBeGreaterThan(doubtAt(errors, 500));
  // In the middle of a bridge of length l the deviation is half the root of l.
  expect(doubtAt(errors, 2000)).toBeCloseTo(0.1 * 0.5 * Math.sqrt(Math.log(4)));
  expect(doubtAt(errors, 1100)).toBeLessThan(doubtAt(errors, 1900));
});

test("a factor is never beyond what was measured", () => {
  const level = fc.tuple(
    fc.integer({ min: 50, max: 10_000 }),
    fc.double({ min: 0.1, max: 10, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  const levels = fc.uniqueArray(level, { minLength: 1, maxLength: 4, selector: ([cpuMilli]) => cpuMilli });
  fc.assert(
    fc.property(levels, fc.integer({ min: 10, max: 20_000 }), (known, asked) => {
      const factors = known.map(([, factor]) => factor);
      const found = errorFactorAt(errorsOf(...known), asked);
      expect(found).toBeGreaterThanOrEqual(Math.min(1, ...factors) - 1e-9);
      expect(found).toBeLessThanOrEqual(Math.max(1, ...factors) + 1e-9);
      expect(doubtAt(errorsOf(...known), asked)).toBeGreaterThanOrEqual(0);
    }),
  );
});
