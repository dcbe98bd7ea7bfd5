import fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualPool } from "./virtual-pool.ts";

test("it serves as a pool does whose launches take so many minutes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.nat(5), fc.nat(12)), { maxLength: 40 }),
      (bootMinutes, minutes) => {
        const pool = new VirtualPool(bootMinutes);
        // Each instance by itself: the minute in which it can first be taken.
        let instances: number[] = [];
        const targets: number[] = [];
        let [misses, idle] = [0, 0];
        minutes.forEach(([count, target], minute) => {
          const ready = instances.filter((at) => at <= minute);
          const taken = Math.min(count, ready.length);
          instances = [...instances.filter((at) => at > minute), ...ready.slice(taken)];
          misses += count - taken;
          idle += ready.length - taken;
          pool.minuteOver(count);
          expect([pool.misses, pool.idleMinutes]).toEqual([misses, idle]);

          targets.push(target);
          const keep = Math.max(...targets.slice(-bootMinutes - 1));
          while (instances.length < target) instances.push(minute + 1 + bootMinutes);
          let surplus = instances.length - keep;
          instances = instances.filter((at) => at > minute || surplus-- <= 0);
          pool.bringTo(target);
          expect(pool.keep).toBe(keep);
        });
      },
    ),
  );
});

test("what is forgotten counts less", () => {
  const pool = new VirtualPool(2);
  pool.minuteOver(8);
  pool.forget(0.25);
  expect(pool.misses).toBe(6);
});
