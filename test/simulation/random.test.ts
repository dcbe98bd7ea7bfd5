import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/simulator/random.ts";

const seeds = fc.integer();

function draws(random: Random, count = 20): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe("Random", () => {
  it("draws the same for the same seed", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(draws(new Random(seed))).toEqual(draws(new Random(seed)));
      }),
    );
  });

  it("draws alike on every machine", () => {
    expect(draws(new Random(1), 3)).toEqual(draws(new Random(1 + 2 ** 32), 3));
    expect(new Random(7).int(0, 1_000_000)).toBe(896568);
  });

  it("gives neighbouring seeds unlike draws", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(draws(new Random(seed))).not.toEqual(draws(new Random(seed + 1)));
      }),
    );
  });

  it("forks by name: draws of the parent and other forks change nothing", () => {
    fc.assert(
      fc.property(seeds, fc.nat(50), fc.string(), fc.string(), (seed, drawn, name, otherName) => {
        const fresh = new Random(seed);
        const used = new Random(seed);
        draws(used, drawn);
        draws(used.fork(otherName), drawn);
        expect(draws(used.fork(name))).toEqual(draws(fresh.fork(name)));
      }),
    );
  });

  it("forks unlike draws for unlike names", () => {
    fc.assert(
      fc.property(seeds, fc.string(), fc.string(), (seed, a, b) => {
        fc.pre(a !== b);
        expect(draws(new Random(seed).fork(a))).not.toEqual(draws(new Random(seed).fork(b)));
      }),
    );
  });

  it("stays within the bounds of each distribution", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: -5, max: 5 }), fc.nat(10), (seed, min, span) => {
        const random = new Random(seed);
        const int = random.int(min, min + span);
        expect(Number.isInteger(int) && int >= min && int <= min + span).toBe(true);
        expect(random.logUniform(0.5, 8)).toSatisfy((x: number) => x >= 0.5 && x <= 8);
        expect(random.exponential(3)).toSatisfy((x: number) => x >= 0 && Number.isFinite(x));
        expect(random.pareto(3, 1)).toSatisfy((x: number) => x >= 3 && Number.isFinite(x));
        expect([1, 2, 3]).toContain(random.pick([1, 2, 3]));
      }),
    );
  });

  it("has the mean that is asked for", () => {
    const random = new Random(3);
    const count = 100_000;
    const mean = (draw: () => number) => Array.from({ length: count }, draw).reduce((sum, x) => sum + x, 0) / count;
    expect(mean(() => random.next())).toBeCloseTo(0.5, 2);
    expect(mean(() => random.exponential(1))).toBeCloseTo(1, 1);
    expect(mean(() => Number(random.chance(0.2)))).toBeCloseTo(0.2, 2);
  });

  it("has nothing to pick from an empty list", () => {
    expect(() => new Random(1).pick([])).toThrow(RangeError);
  });
});
