import { expect, test } from "vitest";
import { memoryMarginMiB } from "./memory-margin.ts";

const usual = {
  executions: 1000,
  seen: 1000,
  maxMiB: 200,
  medianMiB: 180,
  largestMiB: [200, 198, 197, 196, 195, 195, 194, 193],
  trendMiB: 0,
};

test("less margin with more evidence", () => {
  const margins = [20, 50, 100, 500, 4000].map((executions) =>
    memoryMarginMiB({ ...usual, executions, seen: executions }),
  );
  expect(margins).toEqual(margins.toSorted((a, b) => b - a));
  expect(margins[0]).toBeGreaterThan(100);
  expect(margins.at(-1)).toBeLessThan(10);
});

test("more margin for a heavier tail, for a wider spread while little was seen, and for a need that rises", () => {
  const base = memoryMarginMiB(usual);
  expect(memoryMarginMiB({ ...usual, largestMiB: [200, 180, 170, 165, 160, 158, 156, 155] })).toBeGreaterThan(base);
  expect(memoryMarginMiB({ ...usual, trendMiB: 0.1 })).toBeGreaterThan(base + 5);
  const early = { ...usual, executions: 50, seen: 50 };
  expect(memoryMarginMiB({ ...early, medianMiB: 100 })).toBeGreaterThan(memoryMarginMiB({ ...early, medianMiB: 199 }));
});

test("peaks that never differ need next to none", () => {
  expect(memoryMarginMiB({ ...usual, medianMiB: 200, largestMiB: Array(8).fill(200) })).toBeLessThan(3);
});
