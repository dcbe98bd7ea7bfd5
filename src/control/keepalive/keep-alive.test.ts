import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_KEEP_ALIVE, type IdleContainer, KeepAlive, type Plan } from "./keep-alive.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const container = (functionKey: string, change: Partial<IdleContainer> = {}): IdleContainer => ({
  functionKey,
  rank: 0,
  memoryMiB: 256,
  coldMs: 800,
  ...change,
});

const keepAlive = (change: Partial<typeof DEFAULT_KEEP_ALIVE> = {}) =>
  new KeepAlive({ ...DEFAULT_KEEP_ALIVE, ...change });

/** Calls at these times, each over at once; what was planned after each. */
function call(policy: KeepAlive, timesMs: readonly number[], idle = container("f")): Plan[] {
  return timesMs.map((nowMs) => {
    policy.arrived(idle.functionKey, idle.rank, nowMs);
    return policy.plan(idle, false, nowMs);
  });
}

/** The container is there at this time, by the plan and the plans that follow its prewarms. */
function isWarmAt(policy: KeepAlive, plan: Plan, atMs: number, idle = container("f")): boolean {
  if (atMs < plan.keepUntilMs) return true;
  if (atMs < plan.prewarmAtMs) return false;
  return isWarmAt(policy, policy.plan(idle, true, plan.prewarmAtMs), atMs, idle);
}

const every = (gapMs: number, count: number, fromMs = 0) => Array.from({ length: count }, (_, i) => fromMs + i * gapMs);

/** Few distinct steps, so that ties and repeated gaps are common. */
const steps = fc.array(
  fc.record({
    functionKey: fc.constantFrom("f", "g", "h"),
    rank: fc.constantFrom(0, 0, 0, 1, 2, 40),
    stepMs: fc.constantFrom(0, 1, 999, MINUTE_MS, 5 * MINUTE_MS, 61 * MINUTE_MS, 30 * HOUR_MS),
    runMs: fc.constantFrom(0, 10, 90_000),
    memoryMiB: fc.constantFrom(0, 128, 10_240),
    isPrewarmed: fc.boolean(),
  }),
  { maxLength: 60 },
);

function plansOf(
  policy: KeepAlive,
  events: readonly (typeof steps extends fc.Arbitrary<infer T> ? T : never)[number][],
) {
  let nowMs = 0;
  return events.map(({ stepMs, runMs, isPrewarmed, ...of }) => {
    nowMs += stepMs;
    policy.arrived(of.functionKey, of.rank, nowMs);
    return { nowMs: nowMs + runMs, plan: policy.plan({ ...of, coldMs: 800 }, isPrewarmed, nowMs + runMs) };
  });
}

describe("keep-alive", () => {
  test("plans are never in the past, and a prewarm never comes before the container left", () => {
    fc.assert(
      fc.property(steps, (events) => {
        for (const { nowMs, plan } of plansOf(keepAlive(), events)) {
          expect(plan.keepUntilMs).toBeGreaterThanOrEqual(nowMs);
          expect(plan.prewarmAtMs).toBeGreaterThanOrEqual(plan.keepUntilMs);
        }
      }),
    );
  });

  test("the same calls give the same plans", () => {
    fc.assert(
      fc.property(steps, (events) => {
        expect(plansOf(keepAlive(), events)).toEqual(plansOf(keepAlive(), events));
      }),
    );
  });

  test("a timer's container leaves after the call and is there again just before the next", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10 * 60, max: 6 * 3600 }), (periodS) => {
        const policy = keepAlive();
        const idle = container("f", { memoryMiB: 128 });
        const times = every(periodS * SECOND_MS, 12);
        const plan = call(policy, times, idle).at(-1)!;
        const nextMs = times.at(-1)! + periodS * SECOND_MS;
        expect(plan.keepUntilMs - times.at(-1)!).toBeLessThan(0.1 * periodS * SECOND_MS);
        expect(plan.prewarmAtMs).toBeLessThanOrEqual(nextMs - idle.coldMs);
        expect(plan.prewarmAtMs).toBeGreaterThan(nextMs - 0.06 * periodS * SECOND_MS);
        expect(isWarmAt(policy, plan, nextMs, idle)).toBe(true);
      }),
    );
  });

  test("a timer that skips a beat is prewarmed for the beat after", () => {
    const policy = keepAlive();
    const times = every(20 * MINUTE_MS, 40).filter((_, i) => i % 3 !== 2);
    const plan = call(policy, times).at(-1)!;
    // The gaps are 20 and 40 minutes in turn, and 20 has just passed.
    expect(isWarmAt(policy, plan, times.at(-1)! + 40 * MINUTE_MS)).toBe(true);
    expect(isWarmAt(policy, plan, times.at(-1)! + 30 * MINUTE_MS)).toBe(false);
  });

  test("a timer that was changed is learned again", () => {
    const policy = keepAlive();
    const before = every(10 * MINUTE_MS, 2000);
    const after = every(25 * MINUTE_MS, 40, before.at(-1)! + 25 * MINUTE_MS);
    call(policy, before);
    const plan = call(policy, after).at(-1)!;
    expect(isWarmAt(policy, plan, after.at(-1)! + 25 * MINUTE_MS)).toBe(true);
    expect(isWarmAt(policy, plan, after.at(-1)! + 18 * MINUTE_MS)).toBe(false);
  });

  test("a busy function stays, one that was called once goes", () => {
    const policy = keepAlive();
    const busy = call(policy, every(7 * SECOND_MS, 300)).at(-1)!;
    expect(busy.keepUntilMs - 299 * 7 * SECOND_MS).toBeGreaterThan(8 * SECOND_MS);
    const [once] = call(policy, [0], container("g", { memoryMiB: 1024 }));
    expect(once!.keepUntilMs).toBeLessThan(HOUR_MS);
  });

  test("the dearer the memory, the shorter the stay", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 7200 }), { minLength: 1, maxLength: 30 }), (gapsS) => {
        let nowMs = 0;
        const times = [0, ...gapsS.map((gapS) => (nowMs += gapS * SECOND_MS))];
        const stays = [64, 256, 1024, 4096].map((memoryMiB) => {
          return call(keepAlive({ prewarmCostMs: 1e9 }), times, container("f", { memoryMiB })).at(-1)!.keepUntilMs;
        });
        expect(stays).toEqual(stays.toSorted((a, b) => b - a));
      }),
    );
  });

  test("ranks are apart: the tenth container of a burst is not kept for the first one's calls", () => {
    const policy = keepAlive();
    for (const nowMs of every(MINUTE_MS, 120)) {
      policy.arrived("f", 0, nowMs);
      if (nowMs % HOUR_MS === 0) for (let rank = 1; rank < 10; rank++) policy.arrived("f", rank, nowMs);
    }
    const nowMs = 119 * MINUTE_MS;
    const first = policy.plan(container("f", { rank: 0 }), false, nowMs);
    const fifth = policy.plan(container("f", { rank: 4 }), false, nowMs);
    expect(isWarmAt(policy, first, nowMs + MINUTE_MS)).toBe(true);
    expect(fifth.keepUntilMs - nowMs).toBeLessThan(MINUTE_MS);
  });

  test("many functions with many kinds of gaps take bounded memory", () => {
    const policy = keepAlive({ functionsMax: 500 });
    let nowMs = 0;
    for (let i = 0; i < 60_000; i++) {
      nowMs += (i * 7919) % 5003;
      policy.arrived(`f${(i * 31) % 1500}`, 0, nowMs);
      policy.arrived("busy", i % 3, nowMs);
      policy.arrived("busy", i % 3, nowMs + 1 + ((i * 104_729) % 50_000_000));
    }
    expect(policy.functionCount).toBeLessThanOrEqual(500);
    expect(policy.bytesOf("busy")).toBeLessThanOrEqual(3 * 4096);
    // What is called all the time is not what is forgotten.
    expect(policy.bytesOf("busy")).toBeGreaterThan(0);
  });

  test("a forgotten function is a new one", () => {
    const policy = keepAlive();
    call(policy, every(30 * MINUTE_MS, 20));
    policy.forget("f");
    expect(policy.bytesOf("f")).toBe(0);
    expect(policy.functionCount).toBe(0);
    expect(policy.valueOf(container("f"), 10 * HOUR_MS)).toBe(0);
  });

  test("what was learned of functions in general can be taken along", () => {
    const taught = keepAlive({ usualGaps: undefined });
    for (let f = 0; f < 50; f++) call(taught, every(7 * MINUTE_MS, 20, f), container(`f${f}`));
    const heir = keepAlive({ usualGaps: JSON.parse(JSON.stringify(taught.usualGaps())) });
    const [naive] = call(keepAlive({ usualGaps: undefined }), [0], container("new"));
    const [informed] = call(heir, [0], container("new"));
    expect(isWarmAt(heir, informed!, 7 * MINUTE_MS, container("new"))).toBe(true);
    expect(naive!.keepUntilMs).toBeLessThan(7 * MINUTE_MS);
  });
});

describe("worth under memory pressure", () => {
  test("is higher for what is called soon, starts slowly and is small", () => {
    const policy = keepAlive();
    call(policy, every(MINUTE_MS, 200), container("often"));
    call(
      policy,
      every(6 * HOUR_MS, 4).map((atMs) => atMs - 18 * HOUR_MS + 200 * MINUTE_MS),
      container("seldom"),
    );
    const nowMs = 200 * MINUTE_MS;
    const often = policy.valueOf(container("often"), nowMs);
    expect(often).toBeGreaterThan(policy.valueOf(container("seldom"), nowMs));
    expect(often).toBeGreaterThan(policy.valueOf(container("often", { memoryMiB: 512 }), nowMs));
    expect(often).toBeGreaterThan(policy.valueOf(container("often", { coldMs: 100 }), nowMs));
    expect(policy.valueOf(container("never"), nowMs)).toBe(0);
  });

  test("is a number between nothing and a certain cold start", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 1, HOUR_MS, 1e12), (events, laterMs) => {
        const policy = keepAlive();
        const nowMs = plansOf(policy, events).at(-1)?.nowMs ?? 0;
        const value = policy.valueOf(container("f"), nowMs + laterMs);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(800 / 256);
      }),
    );
  });
});

describe("steering", () => {
  /** 200 functions that are called with the chances of a fixed sequence; idle memory minute by minute. */
  function live(policy: KeepAlive, minutes: number): number[] {
    const plans = new Map<string, Plan>();
    let state = 1;
    const chance = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };
    return Array.from({ length: minutes }, (_, minute) => {
      const nowMs = minute * MINUTE_MS;
      for (let f = 0; f < 200; f++) {
        if (chance() > 1 / (2 + f)) continue;
        policy.arrived(`f${f}`, 0, nowMs);
        plans.set(`f${f}`, policy.plan(container(`f${f}`), false, nowMs));
      }
      const idleMiB = [...plans.values()].filter(({ keepUntilMs }) => keepUntilMs > nowMs).length * 256;
      policy.steer(idleMiB);
      return idleMiB;
    });
  }
  const meanOfLast = (values: readonly number[], count: number) => values.slice(-count).reduce((a, b) => a + b) / count;

  test("brings idle memory to the budget, be it less or more than would be worth it", () => {
    for (const budgetMiB of [2048, 8192, 20_480]) {
      const idleMiB = live(keepAlive({ budgetMiB, prewarmCostMs: 1e9 }), 900);
      expect(meanOfLast(idleMiB, 300) / budgetMiB).toBeGreaterThan(0.8);
      expect(meanOfLast(idleMiB, 300) / budgetMiB).toBeLessThan(1.2);
    }
  });

  test("without a budget the price stays", () => {
    const policy = keepAlive();
    live(policy, 30);
    expect(policy.priceMultiplier).toBe(1);
  });
});
