import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

const SIZE = 5;
const REFILL_MS = 1_000;

test("in any time no more pass than the bucket holds and what it gains in that time", () => {
  const steps = fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 1, 100, 200, 999, 5_000), tries: fc.nat(8) }));
  fc.assert(
    fc.property(steps, (all) => {
      const bucket = new TokenBucket(SIZE, REFILL_MS, 0);
      const passedMs: number[] = [];
      let nowMs = 0;
      for (const { afterMs, tries } of all) {
        nowMs += afterMs;
        for (let at = 0; at < tries; at++) if (bucket.take(SIZE, nowMs)) passedMs.push(nowMs);
      }
      for (const [from, fromMs] of passedMs.entries()) {
        for (let to = from; to < passedMs.length; to++) {
          const gained = (((passedMs[to] ?? 0) - fromMs) / REFILL_MS) * SIZE;
          expect(to - from + 1).toBeLessThanOrEqual(SIZE + gained + 1e-9);
        }
      }
    }),
  );
});

test("it is full at first, gains little by little, and is unused after a whole refill", () => {
  const bucket = new TokenBucket(SIZE, REFILL_MS, 0);
  for (let at = 0; at < SIZE; at++) expect(bucket.take(SIZE, 0)).toBe(true);
  expect(bucket.take(SIZE, 199)).toBe(false);
  expect(bucket.take(SIZE, 201)).toBe(true);
  expect(bucket.isUnused(1_200)).toBe(false);
  expect(bucket.isUnused(1_201)).toBe(true);
});
