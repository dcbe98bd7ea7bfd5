import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cautious, cpuDemandOf, durationMsAt } from "./cpu-demand.ts";

/** What a function of these figures shows at a limit, quota periods apart. */
function shown(
  cpuMilli: number,
  { cpuMs, waitMs, parallelism }: { cpuMs: number; waitMs: number; parallelism: number },
) {
  const [limit, free] = [cpuMilli / 1000, waitMs + cpuMs / parallelism];
  const throttledMs = Math.max(0, cpuMs / limit - cpuMs / parallelism);
  return { cpuMilli, wallMs: free + throttledMs, cpuMs, throttledMs };
}

const figures = fc.record({
  cpuMs: fc.double({ min: 2000, max: 60_000, noNaN: true }),
  waitMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  parallelism: fc.double({ min: 1, max: 6, noNaN: true }),
});

describe("demand from one size", () => {
  test("an execution that was throttled tells its duration at every other size", () => {
    fc.assert(
      fc.property(
        figures,
        fc.integer({ min: 100, max: 900 }),
        fc.integer({ min: 100, max: 8000 }),
        (truth, seen, asked) => {
          const demand = cpuDemandOf(shown(seen, truth));
          expect(durationMsAt(demand, asked) / shown(asked, truth).wallMs).toBeCloseTo(1, 1);
        },
      ),
    );
  });

  test("more CPU is never slower", () => {
    fc.assert(
      fc.property(figures, fc.integer({ min: 50, max: 8000 }), fc.integer({ min: 50, max: 8000 }), (demand, a, b) => {
        const at = (milli: number) => durationMsAt({ ...demand, isParallelismKnown: true }, milli);
        expect(at(Math.max(a, b))).toBeLessThanOrEqual(at(Math.min(a, b)) * (1 + 1e-9));
      }),
    );
  });

  test("a function that waits for others is taken to need no more than one CPU at once", () => {
    const demand = cpuDemandOf({ cpuMilli: 4000, wallMs: 1000, cpuMs: 100, throttledMs: 0 });
    expect(demand).toMatchObject({ parallelism: 1, waitMs: 900, isParallelismKnown: false });
    expect(durationMsAt(demand, 4000)).toBe(1000);
    expect(durationMsAt(demand, 1000)).toBe(1000);
  });

  test("a promise allows for more threads than the average shows, until a quota told how many there are", () => {
    const free = cpuDemandOf({ cpuMilli: 6000, wallMs: 1000, cpuMs: 4000, throttledMs: 0 });
    expect(free.parallelism).toBe(4);
    expect(durationMsAt(cautious(free), 6000)).toBeCloseTo(1000, 9);
    expect(durationMsAt(cautious(free), 4000)).toBeGreaterThan(durationMsAt(free, 4000));
    const held = cpuDemandOf(shown(2000, { cpuMs: 4000, waitMs: 200, parallelism: 5 }));
    expect(cautious(held)).toBe(held);
    const single = cpuDemandOf({ cpuMilli: 6000, wallMs: 1000, cpuMs: 900, throttledMs: 0 });
    expect(cautious(single)).toBe(single);
  });

  test("an execution shorter than a period's quota does not feel it", () => {
    const demand = cpuDemandOf({ cpuMilli: 1000, wallMs: 9, cpuMs: 8.6, throttledMs: 0 });
    expect(durationMsAt(demand, 100)).toBeCloseTo(9, 5);
    expect(durationMsAt(demand, 50)).toBeGreaterThan(9);
  });
});
