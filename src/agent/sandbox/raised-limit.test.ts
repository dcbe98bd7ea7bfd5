import fc from "fast-check";
import { expect, test } from "vitest";
import { nearLimit, raisedLimit, roomForRescue } from "./raised-limit.ts";

test("half as much again, at least 16 MiB, up to the ceiling and the room", () => {
  expect(raisedLimit(128, 1024, 800)).toBe(192);
  expect(raisedLimit(20, 1024, 800)).toBe(36);
  expect(raisedLimit(128, 140, 800)).toBe(140);
  expect(raisedLimit(128, 1024, 40)).toBe(168);
  expect(raisedLimit(128, 1024, 15)).toBeUndefined();
  expect(raisedLimit(128, 128, 800)).toBeUndefined();
  expect(raisedLimit(128, 130, 2)).toBe(130);
});

test("a limit only rises, within its bounds, and reaches any ceiling in a few steps", () => {
  const mib = fc.integer({ min: 1, max: 10_240 });
  fc.assert(
    fc.property(mib, mib, fc.integer({ min: -100, max: 10_240 }), (limitMiB, ceilingMiB, roomMiB) => {
      const raised = raisedLimit(limitMiB, ceilingMiB, roomMiB);
      if (raised === undefined) return;
      expect(raised).toBeGreaterThan(limitMiB);
      expect(raised).toBeLessThanOrEqual(Math.min(ceilingMiB, limitMiB + roomMiB));
    }),
  );
  fc.assert(
    fc.property(mib, mib, (limitMiB, ceilingMiB) => {
      let [at, steps] = [limitMiB, 0];
      for (let next = raisedLimit(at, ceilingMiB, 1e6); next !== undefined; next = raisedLimit(at, ceilingMiB, 1e6)) {
        [at, steps] = [next, steps + 1];
      }
      expect(at).toBe(Math.max(limitMiB, ceilingMiB));
      expect(steps).toBeLessThanOrEqual(20);
    }),
  );
});

test("near a limit is below it, by at most 32 MiB", () => {
  expect(nearLimit(128)).toBe(122);
  expect(nearLimit(10_240)).toBe(10_208);
  expect(nearLimit(64)).toBe(60);
});

test("an instance keeps a reserve", () => {
  expect(roomForRescue(1024, 500)).toBe(493);
  expect(roomForRescue(256, 500)).toBeLessThan(0);
});
