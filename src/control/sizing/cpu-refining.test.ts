import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SizedVersion } from "../../model/grant.ts";
import type { AccountId } from "../../model/ids.ts";
import { type SizingPolicy, sizingKeyOf } from "../../model/sizing.ts";
import { executeOnce } from "./execution-fixture.ts";
import { FAILURES_MAX } from "./failures.ts";
import { Sizing } from "./sizing.ts";

const ACCOUNT = "000000000000" as AccountId;
const OF: SizedVersion = {
  key: sizingKeyOf(ACCOUNT, "f", "1", "x86_64"),
  accountId: ACCOUNT,
  functionName: "f",
  memoryMiB: 512,
  cpuMilli: 2000,
};

function sizingBy(policy: SizingPolicy): Sizing {
  const sizing = new Sizing();
  const settings = { cpu: "apart", limits: "hard", memoryMiBMin: 512, cpuMilliMin: 250, cpuMilliMax: 2000 } as const;
  sizing.configure({ kind: "account", accountId: ACCOUNT }, { ...settings, policy });
  return sizing;
}

/** One CPU at most at once, a second of it; what it is throttled makes executions longer, by a factor. */
function run(sizing: Sizing, factorAt: (cpuMilli: number) => number): number {
  const { cpuMilli } = sizing.effectiveOf(OF);
  const throttledMs = Math.max(0, 1_000_000 / cpuMilli - 1000);
  const wallMs = (1200 + throttledMs) * factorAt(cpuMilli);
  const us = { wallUs: wallMs * 1000, cpuUs: 1_000_000, throttledUs: throttledMs * 1000 };
  executeOnce(sizing, OF, 500, us);
  return cpuMilli;
}

const provenMilli = (sizing: Sizing) => sizing.versionOf(OF.key)?.proven.cpuMilli ?? 0;

describe("what was measured", () => {
  test("keeps a promise where the prediction would not", () => {
    // Below 1,200 m it is slower than its throttled time says.
    const factorAt = (cpuMilli: number) => (cpuMilli < 1200 ? 1.12 : 1);
    const sizing = sizingBy("slo");
    for (let i = 0; i < 200; i++) run(sizing, factorAt);
    expect(provenMilli(sizing)).toBeGreaterThanOrEqual(1150);
    expect(provenMilli(sizing)).toBeLessThan(2000);
    const exact = sizingBy("slo");
    for (let i = 0; i < 200; i++) run(exact, () => 1);
    expect(provenMilli(exact)).toBeLessThan(1000);
  });

  test("finds what is cheaper than what is foretold to be the cheapest", () => {
    // Foretold to be dearer than at 250 m by a few per cent; it is cheaper by as many.
    const factorAt = (cpuMilli: number) => (cpuMilli > 600 && cpuMilli < 1100 ? 0.88 : 1);
    const sizing = sizingBy("cost");
    for (let i = 0; i < 200; i++) run(sizing, factorAt);
    expect(provenMilli(sizing)).toBeGreaterThan(600);
    expect(provenMilli(sizing)).toBeLessThan(1100);
  });
});

test("whatever executions take, CPU changes ever more seldom and failed limits are not tried again", () => {
  const anyFactors = fc.array(fc.double({ min: 0.3, max: 3, noNaN: true }), { minLength: 5, maxLength: 60 });
  const anyPolicy = fc.constantFrom<SizingPolicy>("cost", "slo", "balanced", "speed");
  fc.assert(
    fc.property(anyFactors, anyPolicy, (factors, policy) => {
      const sizing = sizingBy(policy);
      const executions = 3000;
      let [changes, before] = [0, 2000];
      for (let i = 0; i < executions; i++) {
        run(sizing, (cpuMilli) => factors[(i + cpuMilli) % factors.length] ?? 1);
        if (provenMilli(sizing) !== before) changes++;
        before = provenMilli(sizing);
        expect(before).toBeGreaterThanOrEqual(250);
        expect(before).toBeLessThanOrEqual(2000);
      }
      expect(sizing.versionOf(OF.key)?.failures).toBeLessThanOrEqual(FAILURES_MAX);
      // A review at 1.25 times as many executions as the one before, four of trials, and rollbacks.
      expect(changes).toBeLessThanOrEqual(Math.log(executions / 20) / Math.log(1.25) + 4 + 2 * FAILURES_MAX);
      expect(JSON.stringify(sizing.recordOf(OF.key)).length).toBeLessThanOrEqual(4096);
    }),
    { numRuns: 60 },
  );
}, 60_000);
