import fc from "fast-check";
import { expect, test } from "vitest";
import { errorFactorAt, NO_PREDICTION_ERRORS, type PredictionErrors, withError } from "./prediction-error.ts";

const errorsOf = (...levels: [cpuMilli: number, factor: number][]): PredictionErrors =>
  levels.reduce((errors, [cpuMilli, factor]) => withError(errors, { cpuMilli, factor }), NO_PREDICTION_ERRORS);

test("where nothing was measured, or no more than chance was wrong, predictions stand", () => {
  expect(errorFactorAt(NO_PREDICTION_ERRORS, 1000)).toBe(1);
  expect(errorFactorAt(errorsOf([500, 1.02], [2000, 0.98]), 1000)).toBe(1);
});

test("between two measured limits on the line over 1/c, beyond them as at the nearest", () => {
  const errors = errorsOf([2000, 1.23], [1000, 1.03]);
  expect(errorFactorAt(errors, 1000)).toBeCloseTo(1);
  expect(errorFactorAt(errors, 2000)).toBeCloseTo(1.2);
  // 1/1333 is half way between 1/1000 and 1/2000.
  expect(errorFactorAt(errors, 4000 / 3)).toBeCloseTo(1.1);
  expect([errorFactorAt(errors, 100), errorFactorAt(errors, 9000)].map((each) => each.toFixed(2))).toEqual([
    "1.00",
    "1.20",
  ]);
});

test("the newest measurement at a limit is what counts, and few limits are remembered", () => {
  expect(errorFactorAt(errorsOf([1000, 2], [1005, 0.8]), 1000)).toBeCloseTo(0.83);
  const errors = errorsOf([100, 2], [200, 1], [400, 1], [800, 1], [1600, 1]);
  expect(errors.map(({ cpuMilli }) => cpuMilli)).toEqual([200, 400, 800, 1600]);
});

test("a factor is never beyond what was measured", () => {
  const level = fc.record({
    cpuMilli: fc.integer({ min: 50, max: 10_000 }),
    factor: fc.double({ min: 0.1, max: 10, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.array(level, { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 10, max: 20_000 }),
      (levels, asked) => {
        const errors = levels.reduce(withError, NO_PREDICTION_ERRORS);
        expect(errors.map(({ cpuMilli }) => cpuMilli)).toEqual(
          errors.map(({ cpuMilli }) => cpuMilli).sort((a, b) => a - b),
        );
        const factors = errors.map(({ factor }) => factor);
        const found = errorFactorAt(errors, asked);
        expect(found).toBeGreaterThanOrEqual(Math.min(1, ...factors) - 1e-9);
        expect(found).toBeLessThanOrEqual(Math.max(1, ...factors) + 1e-9);
      },
    ),
  );
});
