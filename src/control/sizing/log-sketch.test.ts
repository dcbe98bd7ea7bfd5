import fc from "fast-check";
import { expect, test } from "vitest";
import { LogSketch } from "./log-sketch.ts";

test("upper quantiles are within a bucket of the truth, however values are spread", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.constantFrom(0.9, 0.95, 1),
      (values, share) => {
        const sketch = new LogSketch();
        for (const value of values) sketch.add(value);
        const sorted = values.toSorted((a, b) => a - b);
        const truth = sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
        const least = Math.max(...values) / 1.02 ** 64;
        const said = sketch.quantile(share) ?? Number.NaN;
        expect(said).toBeGreaterThanOrEqual(Math.max(truth, least) * 0.999);
        expect(said).toBeLessThanOrEqual(Math.max(truth, least * 1.05) * 1.03);
      },
    ),
  );
});

test("the oldest values fade", () => {
  const sketch = new LogSketch();
  for (let i = 0; i < 4000; i++) sketch.add(200);
  for (let i = 0; i < 12_000; i++) sketch.add(100);
  expect(sketch.quantile(0.8)).toBeLessThan(105);
  expect(sketch.mean()).toBeLessThan(130);
});

test("what is not above zero says nothing", () => {
  const sketch = new LogSketch();
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) sketch.add(value);
  expect(sketch.isEmpty).toBe(true);
  expect(sketch.median()).toBeUndefined();
});

test("buckets hold every value once, in order", () => {
  const sketch = new LogSketch();
  const values = [100, 101, 90, 45, 100, 3];
  for (const value of values) sketch.add(value);
  const buckets = sketch.buckets();
  expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
  expect(buckets.map(({ from }) => from)).toEqual(buckets.map(({ from }) => from).toSorted((a, b) => a - b));
  for (const value of values) expect(buckets.some(({ from, to }) => from <= value && value <= to)).toBe(true);
});
