import fc from "fast-check";
import { expect, test } from "vitest";
import { chanceOf, deviationOf, LEVELS_MAX, NO_LEVELS, withLevel } from "./measured-level.ts";

const levelAt = (cpuMilli: number, durationMs = 100) => ({ cpuMilli, durationMs, executions: 10, deviation: 0.05 });

test("the newest measurement at a limit is what counts", () => {
  const levels = [levelAt(1000, 200), levelAt(1005, 80)].reduce(withLevel, NO_LEVELS);
  expect(levels).toEqual([levelAt(1005, 80)]);
});

test("few limits are remembered: the farthest from the newest is forgotten", () => {
  const levels = [100, 200, 400, 800, 1600].map((milli) => levelAt(milli)).reduce(withLevel, NO_LEVELS);
  expect(levels.map(({ cpuMilli }) => cpuMilli)).toEqual([200, 400, 800, 1600]);
});

test("they are ascending, and the newest is always among them", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 50, max: 10_000 }), { minLength: 1, maxLength: 9 }), (limits) => {
      const levels = limits.map((milli) => levelAt(milli)).reduce(withLevel, NO_LEVELS);
      const known = levels.map(({ cpuMilli }) => cpuMilli);
      expect(known).toEqual([...known].sort((a, b) => a - b));
      expect(known).toContain(limits.at(-1));
      expect(known.length).toBeLessThanOrEqual(LEVELS_MAX);
    }),
  );
});

test("a median errs less the more executions there are, and the less they differ", () => {
  // Quartiles of a normal distribution are 1.349 σ apart.
  expect(deviationOf(Math.exp(-0.1349 / 2), Math.exp(0.1349 / 2))).toBeCloseTo(0.1);
  const levels = [levelAt(500), levelAt(1000)];
  expect(chanceOf(levels, 10)).toBeCloseTo(Math.hypot(0.006, (1.253 * 1.5 * 0.05) / Math.sqrt(10)));
  expect(chanceOf(levels, 1000)).toBeLessThan(chanceOf(levels, 10));
  // What is the same at all levels is told by all of them.
  const calm = { ...levelAt(2000), executions: 90, deviation: 0 };
  expect(chanceOf([...levels, calm], 10)).toBeLessThan(chanceOf(levels, 10));
});
