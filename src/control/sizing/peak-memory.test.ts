import { expect, test } from "vitest";
import { PeakMemory } from "./peak-memory.ts";

/** A repeatable stream of numbers in (0, 1): Lehmer's generator. */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

test("the chance that is told is how often the next execution needs more than the limit", () => {
  const next = chances(7);
  const needMiB = () => 100 - 6 * Math.log(next());
  for (const executions of [20, 100, 500]) {
    for (const aboveMax of [0, 0.05]) {
      let [told, happened] = [0, 0];
      for (let i = 0; i < 2000; i++) {
        const peaks = new PeakMemory();
        for (let j = 0; j < executions; j++) peaks.observe(needMiB());
        const limitMiB = peaks.maxMiB * (1 + aboveMax);
        told += peaks.figures(limitMiB)?.excessChance ?? Number.NaN;
        if (needMiB() > limitMiB) happened++;
      }
      const says = `${executions} executions, limit ${aboveMax} above the largest: told ${told}, happened ${happened}`;
      expect(told, says).toBeGreaterThan(happened / 2.5 - 3);
      expect(told, says).toBeLessThan(happened * 2.5 + 6);
    }
  }
});

test("figures are in order, and there are none without a peak", () => {
  const peaks = new PeakMemory();
  expect(peaks.figures(128)).toBeUndefined();
  for (let i = 1; i <= 200; i++) peaks.observe(60 + (i % 40));
  const figures = peaks.figures(128);
  if (figures === undefined) throw new Error("no figures");
  const { p50MiB, p90MiB, p99MiB, maxMiB, marginMiB, histogram } = figures;
  expect([p50MiB, p90MiB, p99MiB, maxMiB]).toEqual([p50MiB, p90MiB, p99MiB, maxMiB].toSorted((a, b) => a - b));
  expect(maxMiB).toBe(99);
  expect(marginMiB).toBeGreaterThan(0);
  expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBe(200);
});
