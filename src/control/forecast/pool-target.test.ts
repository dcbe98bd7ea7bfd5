import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PoolForecast } from "./pool-target.ts";
import { VirtualPool } from "./virtual-pool.ts";

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const BOOT_MINUTES = 2;
const SETTINGS = { bootMs: BOOT_MINUTES * MINUTE_MS, hitShare: 0.99 };

/** Lives through the counts with a pool that does as the forecast says. */
function replay(counts: readonly number[], fromMinute: number, targetOf = forecasting()) {
  const pool = new VirtualPool(BOOT_MINUTES);
  let [asked, idleBefore, missedBefore] = [0, 0, 0];
  counts.forEach((count, minute) => {
    if (minute === fromMinute) [idleBefore, missedBefore] = [pool.idleMinutes, pool.misses];
    if (minute >= fromMinute) asked += count;
    pool.minuteOver(count);
    pool.bringTo(targetOf(minute, count));
  });
  return {
    hitShare: 1 - (pool.misses - missedBefore) / asked,
    idleMinutes: pool.idleMinutes - idleBefore,
  };
}

function forecasting(forecast = new PoolForecast(SETTINGS)) {
  return (minute: number, count: number) => {
    forecast.observe(minute * MINUTE_MS, count);
    return forecast.target((minute + 1) * MINUTE_MS).instances;
  };
}

/** Reproducible noise: a small linear congruential generator, uniform in [0, 1). */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("a forecast of what a pool must hold", () => {
  test("a pool that nobody uses is empty", () => {
    const forecast = new PoolForecast(SETTINGS);
    for (let minute = 0; minute < 3 * DAY_MINUTES; minute += 7) {
      expect(forecast.target(minute * MINUTE_MS)).toMatchObject({ instances: 0, keep: 0 });
    }
  });

  test("a timer's burst is ready before it comes, and not much longer", () => {
    const counts = Array.from({ length: 6 * DAY_MINUTES }, (_, minute) => (minute % 60 === 20 ? 40 : 1));
    const from = 2 * DAY_MINUTES;
    const ours = replay(counts, from);
    const always = replay(counts, from, () => 43);
    expect(always.hitShare).toBe(1);
    expect(ours.hitShare).toBeGreaterThanOrEqual(0.99);
    expect(ours.idleMinutes).toBeLessThan(always.idleMinutes / 5);
  });

  test("noisy demand that swings through the day gets its share of hits, for fewer idle than a constant pool", () => {
    const next = noise(7);
    const counts = Array.from({ length: 10 * DAY_MINUTES }, (_, minute) => {
      const level = 20 * (1.2 + Math.sin((2 * Math.PI * minute) / DAY_MINUTES));
      return Math.floor(2 * level * next());
    });
    const from = 3 * DAY_MINUTES;
    const ours = replay(counts, from);
    let size = 1;
    while (replay(counts, from, () => size).hitShare < 0.99) size++;
    expect(ours.hitShare).toBeGreaterThanOrEqual(0.99);
    expect(ours.idleMinutes).toBeLessThan(0.7 * replay(counts, from, () => size).idleMinutes);
  });

  test("a larger share of hits takes more instances", () => {
    const next = noise(3);
    const counts = Array.from({ length: 5 * DAY_MINUTES }, () => Math.floor(next() ** 4 * 30));
    const at = (hitShare: number) =>
      replay(counts, 2 * DAY_MINUTES, forecasting(new PoolForecast({ ...SETTINGS, hitShare })));
    expect(at(0.98).idleMinutes).toBeLessThan(at(0.999).idleMinutes);
    expect(at(0.98).hitShare).toBeLessThan(at(0.999).hitShare);
  });

  test("whatever happens, targets are counts of instances, alike in every run", () => {
    const count = fc.oneof(fc.constant(0), fc.nat(3), fc.nat(100_000));
    const events = fc.array(
      fc.record({ count, gapMs: fc.oneof(fc.nat(90_000), fc.nat(10 * DAY_MINUTES * MINUTE_MS)) }),
      {
        maxLength: 60,
      },
    );
    const run = (list: readonly { count: number; gapMs: number }[], bootMs: number) => {
      const forecast = new PoolForecast({ bootMs, hitShare: 0.99 });
      let nowMs = 1_000_000;
      return list.map(({ count: asked, gapMs }) => {
        nowMs += gapMs;
        forecast.observe(nowMs, asked);
        return forecast.target(nowMs);
      });
    };
    fc.assert(
      fc.property(events, fc.nat(20 * MINUTE_MS), (list, bootMs) => {
        const targets = run(list, bootMs);
        for (const { instances, keep } of targets) {
          expect(Number.isSafeInteger(instances) && instances >= 0).toBe(true);
          expect(keep).toBeGreaterThanOrEqual(instances);
        }
        expect(run(list, bootMs)).toEqual(targets);
      }),
      { numRuns: 15 },
    );
  }, 60_000);

  test("months of a constant level neither blow up nor drift", () => {
    const forecast = new PoolForecast(SETTINGS);
    for (let minute = 0; minute < 90 * DAY_MINUTES; minute++) forecast.observe(minute * MINUTE_MS, 12);
    const { instances } = forecast.target(90 * DAY_MINUTES * MINUTE_MS);
    expect(instances).toBeGreaterThanOrEqual(36);
    expect(instances).toBeLessThanOrEqual(42);
  }, 60_000);

  test("a silence of a century is gone through at once", () => {
    const forecast = new PoolForecast(SETTINGS);
    forecast.observe(0, 1000);
    expect(forecast.target(100 * 365 * DAY_MINUTES * MINUTE_MS).instances).toBe(0);
  });

  test("history that is fed to a new forecast gives the old one's expectation", () => {
    const old = new PoolForecast(SETTINGS);
    const minutes = 4 * DAY_MINUTES;
    for (let minute = 0; minute < minutes; minute++) old.observe(minute * MINUTE_MS, minute % 30 === 0 ? 25 : 2);
    const nowMs = minutes * MINUTE_MS;
    const before = old.target(nowMs);
    const history = old.history();
    expect(history).toHaveLength(minutes);
    const restored = PoolForecast.replay(SETTINGS, history, nowMs);
    expect(restored.target(nowMs)).toEqual(before);
    restored.observe(nowMs + 1, 25);
    old.observe(nowMs + 1, 25);
    expect(restored.target(nowMs + MINUTE_MS)).toEqual(old.target(nowMs + MINUTE_MS));
  });

  test("history is bounded by a week and a little", () => {
    const forecast = new PoolForecast(SETTINGS);
    for (let minute = 0; minute < 9 * DAY_MINUTES; minute += 5) forecast.observe(minute * MINUTE_MS, 1);
    expect(forecast.history().length).toBeLessThan(7 * DAY_MINUTES + 60);
  });
});
