import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BIN_COUNT, binOf, binStartMs, binWidthS } from "./gap-bins.ts";
import { planWarmth } from "./warm-plan.ts";

const hazardsOf = (peaks: readonly { bin: number; hazard: number }[]) => {
  const hazards = new Float64Array(BIN_COUNT);
  for (const { bin, hazard } of peaks) hazards[bin] = hazard;
  return hazards;
};

const cases = fc.record({
  hazards: fc
    .array(fc.record({ bin: fc.integer({ min: 0, max: BIN_COUNT - 1 }), hazard: fc.constantFrom(0.01, 0.2, 0.9, 1) }))
    .map(hazardsOf),
  idlePerS: fc.constantFrom(0.01, 0.1, 1),
  coldStart: fc.constantFrom(1, 80),
  prewarm: fc.constantFrom(0, 5, 1e9),
});

/** Expected cost from the beginning on, of being warm in the bins of the set, written from the definition. */
function costOf(
  isWarm: (bin: number) => boolean,
  { hazards, idlePerS, coldStart, prewarm }: typeof cases extends fc.Arbitrary<infer T> ? T : never,
) {
  let cost = 0;
  let reached = 1;
  for (let bin = 0; bin < BIN_COUNT; bin++) {
    const hazard = hazards[bin]!;
    if (isWarm(bin)) {
      if (bin > 0 && !isWarm(bin - 1)) cost += reached * prewarm;
      cost += reached * idlePerS * binWidthS(bin) * (1 - hazard / 2);
    } else cost += reached * hazard * coldStart;
    reached *= 1 - hazard;
  }
  return cost;
}

/** The bins in which plans, asked again after each prewarm, have the container there. */
function warmBins(drawn: typeof cases extends fc.Arbitrary<infer T> ? T : never): Set<number> {
  const bins = new Set<number>();
  let plan = planWarmth(drawn.hazards, drawn, 0, false);
  let fromBin = 0;
  for (;;) {
    const untilBin = plan.keepUntilMs === Infinity ? BIN_COUNT : binOf(plan.keepUntilMs + 1);
    for (let bin = fromBin; bin < untilBin; bin++) bins.add(bin);
    if (plan.prewarmAtMs === Infinity) return bins;
    fromBin = binOf(plan.prewarmAtMs + 1);
    plan = planWarmth(drawn.hazards, drawn, plan.prewarmAtMs + 1, true);
  }
}

describe("plan of warmth", () => {
  test("costs no more than any other", () => {
    const edges = fc.array(fc.integer({ min: 0, max: BIN_COUNT - 1 }), { maxLength: 6 });
    fc.assert(
      fc.property(cases, edges, (drawn, others) => {
        const best = warmBins(drawn);
        const cost = costOf((bin) => best.has(bin), drawn);
        // Another plan turns at the edges; a second one turns in ours.
        const other = (bin: number) => others.filter((edge) => edge <= bin).length % 2 === 0;
        expect(cost).toBeLessThanOrEqual(costOf(other, drawn) + 1e-6);
        expect(cost).toBeLessThanOrEqual(costOf((bin) => best.has(bin) !== others.includes(bin), drawn) + 1e-6);
      }),
    );
  });

  test("without a price for prewarms it is warm exactly where hazard × cold start exceeds idle memory", () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const plan = warmBins({ ...drawn, prewarm: 0 });
        for (let bin = 0; bin < BIN_COUNT; bin++) {
          const hazard = drawn.hazards[bin]!;
          const gain = hazard * drawn.coldStart - drawn.idlePerS * binWidthS(bin) * (1 - hazard / 2);
          if (Math.abs(gain) > 1e-9) expect(plan.has(bin)).toBe(gain > 0);
          if (hazard === 1) return;
        }
      }),
    );
  });
});

describe("bins of gaps", () => {
  test("cover all gaps without a hole", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 90_000_000, noNaN: true }), (gapMs) => {
        const bin = binOf(gapMs);
        expect(binStartMs(bin)).toBeLessThanOrEqual(gapMs + 1e-3);
        if (bin < BIN_COUNT - 1) expect(binStartMs(bin + 1)).toBeGreaterThan(gapMs - 1e-3);
      }),
    );
  });
});
