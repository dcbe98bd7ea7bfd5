import { describe, expect, test } from "vitest";
import { hostOffer } from "../../simulator/world.ts";
import { Bench } from "../core-bench-fixture.ts";

const NONE = { fixed: { min: 0, max: 0 }, variable: { min: 0, max: 0 } };
const SHAPE = { memoryMiB: 1024, cpuMilli: 2000 };

/** An account with an instance of which 200 MiB are free, on a host for two; a blank container is counted with 128. */
function crowded(): Bench {
  const host = hostOffer({ memoryMiB: 2048, cpuMilli: 4000 }, SHAPE);
  return new Bench({ warming: NONE, blankTarget: {}, burstExtra: 0, standbyMax: 0 }, host);
}

describe("two small calls at once, of which the second has room once the first is in its container", () => {
  test("wait for it, and nothing is launched", () => {
    const bench = crowded();
    bench.boot(bench.arrive("big", "a", "big", 824));
    bench.boot(bench.pass(500));
    expect(bench.only("CreateContainer", bench.arrive("first", "a", "s", 64))).toHaveLength(1);
    expect(bench.arrive("second", "a", "t", 64)).toEqual([]);
  });

  test("and nobody else's instance is given up", () => {
    const bench = crowded();
    const [other] = bench.only("RunInvocation", bench.boot(bench.arrive("other", "b", "o", 824)));
    bench.boot(bench.arrive("big", "a", "big", 824));
    bench.boot(bench.pass(500));
    if (other !== undefined) bench.finish(other.lease.id);
    bench.boot(bench.pass(500));
    bench.arrive("first", "a", "s", 64);
    expect(bench.arrive("second", "a", "t", 64)).toEqual([]);
  });
});
