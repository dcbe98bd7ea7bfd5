import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_SIZING } from "../model/sizing.ts";
import { chosenPoint, type SizeRun, trimmedMean, tuningCurve } from "./power-tuning.ts";

const ran = (memoryMiB: number, ...durationsMs: number[]): SizeRun => ({
  kind: "ran",
  memoryMiB,
  durationsMs,
  memoryUsedMiB: 60,
});

test("the fastest and the slowest fifth do not count", () => {
  expect(trimmedMean([1000, 10, 11, 12, 0])).toBe(11);
  expect(trimmedMean([5, 7])).toBe(6);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 60 }), (values) => {
      const mean = trimmedMean(values);
      expect(mean).toBeGreaterThanOrEqual(Math.min(...values));
      expect(mean).toBeLessThanOrEqual(Math.max(...values));
    }),
  );
});

test("cost, speed and balanced choose as Power Tuning does; sizes that failed are out", () => {
  const { prices } = DEFAULT_SIZING;
  const runs: SizeRun[] = [
    ran(1024, 105),
    ran(256, 400),
    ran(512, 190),
    { kind: "failed", memoryMiB: 128, after: 3, reason: "Runtime.OutOfMemory" },
    ran(2048, 100),
  ];
  const curve = tuningCurve(runs, prices);
  expect(curve.map(({ memoryMiB }) => memoryMiB)).toEqual([256, 512, 1024, 2048]);
  expect(chosenPoint(curve, "cost")?.memoryMiB).toBe(512);
  expect(chosenPoint(curve, "speed")?.memoryMiB).toBe(2048);
  expect(chosenPoint(curve, "balanced")?.memoryMiB).toBe(1024);
  expect(chosenPoint([], "cost")).toBeUndefined();
  // Whole milliseconds are paid, at 9 : 1 for a vCPU to a GiB.
  const [point] = tuningCurve([ran(1769, 99.2)], prices);
  expect(point?.costUsd).toBeCloseTo(((0.0331 + (0.0037 * 1769) / 1024) * 100) / 3_600_000, 15);
});
