import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SizedVersion } from "../../model/grant.ts";
import type { AccountId } from "../../model/ids.ts";
import { type SizingSettings, sizingKeyOf } from "../../model/sizing.ts";
import type { Execution, SizedOutcome } from "./execution.ts";
import { FAILURES_MAX } from "./failures.ts";
import { Sizing } from "./sizing.ts";

const ACCOUNT = "000000000000" as AccountId;
const MIB = 2 ** 20;
/** What is requested is always allowed. */
const NO_GROWTH = 1;

const versionOf = (memoryMiB: number, version = "1", cpuMilli?: number): SizedVersion => ({
  key: sizingKeyOf(ACCOUNT, "f", version, "x86_64"),
  accountId: ACCOUNT,
  functionName: "f",
  memoryMiB,
  cpuMilli,
});

function sizingWith(settings: Partial<SizingSettings> = {}): Sizing {
  const sizing = new Sizing();
  sizing.configure(
    { kind: "account", accountId: ACCOUNT },
    {
      cpu: "apart",
      limits: "hard",
      memoryMiBMax: NO_GROWTH,
      ...settings,
    },
  );
  return sizing;
}

/** One execution in a new container: killed when it needs more than that has. @returns the container's memory. */
function run(sizing: Sizing, of: SizedVersion, needMiB: number, more: Partial<Execution> = {}): number {
  const size = sizing.effectiveOf(of, more.inputBytes);
  sizing.containerStarted(of.key, size);
  const isKilled = needMiB > size.memoryMiB;
  sizing.observe(of, {
    memoryLimitMiB: size.memoryMiB,
    cpuLimitMilli: size.cpuMilli,
    outcome: isKilled ? "outOfMemory" : "ok",
    memoryPeakBytes: Math.min(needMiB, size.memoryMiB) * MIB,
    wallUs: 10_000,
    cpuUs: undefined,
    throttledUs: 0,
    memoryStallUs: 0,
    inputBytes: undefined,
    isCold: false,
    ...more,
  });
  return size.memoryMiB;
}

const runMany = (sizing: Sizing, of: SizedVersion, needs: readonly number[]) =>
  needs.map((needMiB) => run(sizing, of, needMiB));

/** Ninety and a bit, never the same twice running. */
const lean = (count: number) => Array.from({ length: count }, (_, i) => 88 + ((i * 7) % 4));

describe("a function that asks for too much", () => {
  test("gets what it needs, with a margin that shrinks as evidence grows", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(19));
    expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
    runMany(sizing, of, lean(200));
    const early = sizing.effectiveOf(of).memoryMiB;
    runMany(sizing, of, lean(2000));
    const late = sizing.effectiveOf(of).memoryMiB;
    expect(early).toBeLessThan(150);
    expect(late).toBeLessThanOrEqual(early);
    expect(late).toBeGreaterThan(91);
    expect(late).toBeLessThan(100);
  });

  test("a smaller size is on trial in one new container of ten, until seven executions went well", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(20));
    const sizes = Array.from({ length: 20 }, () => {
      const size = sizing.effectiveOf(of);
      sizing.containerStarted(of.key, size);
      return size.memoryMiB;
    });
    expect(sizes.filter((size) => size < 1024)).toHaveLength(2);
  });

  test("suggest says it and does nothing; off learns and decides nothing", () => {
    for (const mode of ["suggest", "off"] as const) {
      const sizing = sizingWith({ mode });
      const of = versionOf(1024);
      expect(new Set(runMany(sizing, of, lean(500)))).toEqual(new Set([1024]));
      expect(sizing.decisionsOf(of.key).length > 0).toBe(mode === "suggest");
      expect((sizing.versionOf(of.key)?.proven.memoryMiB ?? 0) < 200).toBe(mode === "suggest");
    }
  });

  test("a stop gives everyone what was requested, at once", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(500));
    sizing.stop(true);
    expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
    sizing.stop(false);
    expect(sizing.effectiveOf(of).memoryMiB).toBeLessThan(120);
  });

  test("a stated amount that is new starts over", () => {
    const sizing = sizingWith();
    runMany(sizing, versionOf(1024), lean(500));
    expect(sizing.effectiveOf(versionOf(2048)).memoryMiB).toBe(2048);
    expect(sizing.decisionsOf(versionOf(2048).key)).toEqual([]);
  });

  test("who stated the amount before takes just that, and it is told once that it does", () => {
    const sizing = sizingWith();
    const [before, after] = [
      { ...versionOf(1024), order: 1 },
      { ...versionOf(2048), order: 2 },
    ];
    runMany(sizing, before, lean(500));
    expect(sizing.roomOf(before)?.reservedMiB).toBeLessThan(1024);
    expect(sizing.takeStartedOver()).toEqual([]);
    expect(sizing.roomOf(after)).toMatchObject({ memoryMiB: 2048, reservedMiB: 2048 });
    expect(sizing.takeStartedOver()).toEqual([before.key]);
    expect(sizing.roomOf(before)).toBeUndefined();
    expect(sizing.effectiveOf(before)).toMatchObject({ memoryMiB: 1024, reservedMiB: 1024 });
    expect(sizing.takeStartedOver()).toEqual([]);
  });

  test("a new version starts from the requested size and gets there sooner than the first one did", () => {
    const executionsUntilSmall = (sizing: Sizing, of: SizedVersion) =>
      lean(500).findIndex((needMiB) => run(sizing, of, needMiB) < 120);
    const sizing = sizingWith();
    const first = executionsUntilSmall(sizing, versionOf(1024, "1"));
    runMany(sizing, versionOf(1024, "1"), lean(500));
    expect(sizing.effectiveOf(versionOf(1024, "2")).memoryMiB).toBe(1024);
    const second = executionsUntilSmall(sizing, versionOf(1024, "2"));
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(0);
    expect(second).toBeLessThan(first);
  });

  test("by the ratio nothing shrinks while the CPU it needs is unknown", () => {
    const sizing = sizingWith({ cpu: "ratio" });
    const of = versionOf(1024);
    expect(new Set(runMany(sizing, of, lean(500)))).toEqual(new Set([1024]));
  });

  test("by the ratio memory shrinks as far as the duration allows", () => {
    const sizing = sizingWith({ cpu: "ratio", policy: "slo" });
    const of = versionOf(1769);
    // Half a vCPU at most, three quarters of the time waiting: nothing slows down above 500 m.
    for (let i = 0; i < 500; i++) {
      const { cpuMilli } = sizing.effectiveOf(of);
      const throttledUs = Math.max(0, 250_000 / (cpuMilli / 1000) - 250_000);
      run(sizing, of, 90 + (i % 3), { cpuUs: 250_000, wallUs: 1_000_000 + throttledUs, throttledUs });
    }
    const { memoryMiB, cpuMilli } = sizing.effectiveOf(of);
    expect(memoryMiB).toBeLessThan(1769);
    expect(750_000 + 250_000 / (cpuMilli / 1000)).toBeLessThanOrEqual(1_100_000);
    expect(cpuMilli / memoryMiB).toBeCloseTo(1000 / 1769, 2);
  });
});

describe("what is shown", () => {
  test("a story from the first execution to a smaller size, step by step", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    expect(sizing.storyOf(of.key)).toBeUndefined();
    runMany(sizing, of, lean(5));
    expect(sizing.storyOf(of.key)).toMatchObject({
      requested: { memoryMiB: 1024 },
      effective: { memoryMiB: 1024 },
      reservationMiB: 1024,
      evidence: { executions: 5, peaksMeasured: 5, executionsMin: 20, failures: 0, failedMiB: 0 },
      nextStep: "Looked at for the first time after 15 more executions.",
      decisions: [],
    });
    runMany(sizing, of, lean(15));
    const onTrial = sizing.storyOf(of.key);
    expect(onTrial?.onTrial?.memoryMiB).toBeLessThan(200);
    expect(onTrial?.nextStep).toMatch(/^One new container in ten gets \d+ MiB and \S+ vCPU, .* none has run yet\.$/);
    runMany(sizing, of, lean(300));
    const proven = sizing.storyOf(of.key);
    expect(proven).toMatchObject({ evidence: { executions: 320, peaks: { maxMiB: 91 } } });
    expect(proven?.onTrial).toBeUndefined();
    expect(proven?.effective).toEqual(proven?.learned);
    expect(proven?.reservationMiB).toBeLessThan(120);
    expect(proven?.evidence.peaks?.excessChance).toBeLessThan(1 / 300);
    expect(proven?.nextStep).toMatch(/^Looked at again after [\d,]+ more executions; /);
    expect(proven?.decisions.map(({ condition }) => condition)).toContain("proven");
  });

  test("after a failure it says for how long nothing is made smaller, and when it gave up", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(300));
    run(sizing, of, 500);
    expect(sizing.storyOf(of.key)).toMatchObject({
      effective: { memoryMiB: 1024 },
      evidence: { failures: 1, peaksMeasured: 0 },
      nextStep: "After a failure nothing is made smaller for 20 more executions.",
    });
    for (let i = 0; i < 50_000 && (sizing.storyOf(of.key)?.evidence.failures ?? 0) < FAILURES_MAX; i++) {
      const { memoryMiB } = sizing.effectiveOf(of);
      run(sizing, of, memoryMiB < 1024 ? 1024 : 90);
    }
    expect(sizing.storyOf(of.key)?.nextStep).toContain("It keeps what was requested");
  });

  test("suggest says what it would give, off and a stop that nothing happens", () => {
    for (const [mode, says] of [
      ["suggest", /^Would give \d+ MiB and/],
      ["off", /^Nothing: sizing is off/],
    ] as const) {
      const sizing = sizingWith({ mode });
      const of = versionOf(1024);
      runMany(sizing, of, lean(500));
      expect(sizing.storyOf(of.key)?.nextStep).toMatch(says);
      expect(sizing.storyOf(of.key)?.effective.memoryMiB).toBe(1024);
    }
  });

  test("what has to be stored is handed out once, what was forgotten too", () => {
    const sizing = sizingWith();
    const [one, two] = [versionOf(1024, "1"), versionOf(1024, "2")];
    runMany(sizing, one, lean(3));
    runMany(sizing, two, lean(3));
    expect(sizing.keys()).toEqual([one.key, two.key]);
    expect(sizing.takeChanged(1)).toEqual([one.key]);
    expect(sizing.takeChanged(10)).toEqual([two.key]);
    expect(sizing.takeChanged(10)).toEqual([]);
    run(sizing, two, 90);
    sizing.forget(one.key);
    expect(sizing.takeChanged(10)).toEqual([two.key, one.key]);
    expect(sizing.recordOf(one.key)).toBeUndefined();
    sizing.configure({ kind: "account", accountId: ACCOUNT }, { mode: "off" });
    expect(sizing.takeChanged(10)).toEqual([two.key]);
    sizing.forgetFunction(ACCOUNT, "f", "1");
    sizing.forgetFunction(ACCOUNT, "g");
    expect(sizing.keys()).toEqual([two.key]);
    sizing.effectiveOf(versionOf(512, "2"));
    expect(sizing.takeChanged(10)).toEqual([two.key]);
  });
});

describe("a function that needs more", () => {
  test("is made larger before it is killed, while its need creeps up", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    const needs = Array.from({ length: 4000 }, (_, i) => 100 + i / 100 + (i % 5));
    const limits = runMany(sizing, of, needs);
    const kills = needs.filter((need, i) => need > (limits[i] ?? 0)).length;
    expect(kills).toBeLessThanOrEqual(2);
    expect(limits.at(-1)).toBeLessThan(200);
  });

  test("goes back to the requested size on a kill, and never again to the size that failed", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(500));
    const failed = run(sizing, of, 300);
    expect(failed).toBeLessThan(120);
    expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
    expect(sizing.decisionsOf(of.key).at(-1)).toMatchObject({ condition: "outOfMemory", to: { memoryMiB: 1024 } });
    const later = runMany(sizing, of, [300, ...lean(3000)]);
    expect(Math.min(...later)).toBeGreaterThan(300);
  });

  test("waiting for memory counts like a kill", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(sizing, of, lean(500));
    run(sizing, of, 90, { memoryStallUs: 1000 });
    expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
    expect(sizing.decisionsOf(of.key).at(-1)?.condition).toBe("pressure");
  });

  test("grows above what was requested unless that is forbidden, and to twice that at most", () => {
    const of = versionOf(256);
    const bounded = sizingWith();
    expect(new Set(runMany(bounded, of, Array(50).fill(600)))).toEqual(new Set([256]));
    const free = sizingWith({ memoryMiBMax: undefined });
    expect([...new Set(runMany(free, of, Array(50).fill(600)))]).toEqual([256, 384, 512]);
  });

  test("a need that falls is noticed", () => {
    const sizing = sizingWith();
    const of = versionOf(1024);
    runMany(
      sizing,
      of,
      Array.from({ length: 1000 }, (_, i) => 500 + (i % 3)),
    );
    expect(sizing.effectiveOf(of).memoryMiB).toBeGreaterThan(500);
    runMany(sizing, of, lean(14_000));
    expect(sizing.effectiveOf(of).memoryMiB).toBeLessThan(120);
  });

  test("an execution that was cut off by a reclaim is no evidence", () => {
    const [sizing, of] = [sizingWith(), versionOf(1024)];
    for (let i = 0; i < 100; i++) run(sizing, of, 90, { outcome: "reclaimed" });
    expect(sizing.versionOf(of.key)?.executions).toBe(0);
    expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
  });

  test("gets a larger container for a larger event, where the need follows the event", () => {
    const [sizing, of] = [sizingWith(), versionOf(2048)];
    const needOf = (mib: number) => 60 + 20 * mib;
    for (let i = 0; i < 400; i++) run(sizing, of, needOf(1 + (i % 8)), { inputBytes: (1 + (i % 8)) * MIB });
    const usual = sizing.effectiveOf(of).memoryMiB;
    expect(usual).toBeLessThan(300);
    expect(sizing.effectiveOf(of, 8 * MIB).memoryMiB).toBe(usual);
    const large = sizing.effectiveOf(of, 20 * MIB).memoryMiB;
    expect(large).toBeGreaterThan(needOf(20));
    expect(large).toBeLessThan(needOf(20) * 1.3);
  });
});

describe("a size that makes things worse", () => {
  test("does not survive its trial when executions are slow or fail there", () => {
    for (const worse of [{ wallUs: 30_000 }, { outcome: "error" as SizedOutcome }]) {
      const [sizing, of] = [sizingWith(), versionOf(1024)];
      for (let i = 0; i < 300; i++) {
        const isSmall = sizing.effectiveOf(of).memoryMiB < 1024;
        run(sizing, of, 90, isSmall ? worse : {});
      }
      expect(sizing.versionOf(of.key)?.proven.memoryMiB).toBe(1024);
      expect(sizing.decisionsOf(of.key).some(({ condition }) => condition === "worse")).toBe(true);
    }
  });

  test("may be slower where only cost counts, as long as it is cheaper; where a duration is promised it may not", () => {
    for (const policy of ["cost", "slo"] as const) {
      const [sizing, of] = [sizingWith({ policy }), versionOf(1024, "1", 4000)];
      // Twice as slow as foretold at a quarter of the CPU and of the price.
      const wallUsAt = (cpuMilli: number) => (cpuMilli < 4000 ? 200_000 : 100_000);
      for (let i = 0; i < 60; i++) {
        const wallUs = wallUsAt(sizing.effectiveOf(of).cpuMilli);
        run(sizing, of, 1000, { wallUs, cpuUs: 90_000 });
      }
      const { cpuMilli } = sizing.versionOf(of.key)!.proven;
      if (policy === "cost") expect(cpuMilli).toBeLessThan(1500);
      else expect(cpuMilli).toBe(4000);
    }
  });

  test("more CPU that does not pay as it was foretold is taken back", () => {
    // Throttled as if it could use 1.6 CPUs at once; where it has them it is slower than that by the factor.
    const takesMs = (cpuMilli: number, factor: number) =>
      cpuMilli > 1000 ? (5000 / 1.6) * factor : 5_000_000 / cpuMilli;
    for (const [factor, isWorthIt] of [
      [1, true],
      [1.2, false],
    ] as const) {
      const [sizing, of] = [sizingWith({ policy: "cost" }), versionOf(1024, "1", 1000)];
      const had = new Set<number>();
      for (let i = 0; i < 60; i++) {
        const { cpuMilli } = sizing.effectiveOf(of);
        had.add(cpuMilli);
        const wallMs = takesMs(cpuMilli, factor);
        const throttledMs = Math.max(0, 5_000_000 / Math.min(1600, cpuMilli) - 5000 / 1.6);
        run(sizing, of, 1000, { wallUs: wallMs * 1000, cpuUs: 5_000_000, throttledUs: throttledMs * 1000 });
      }
      expect([...had].some((cpuMilli) => cpuMilli > 1500)).toBe(true);
      const { cpuMilli } = sizing.versionOf(of.key)!.proven;
      if (isWorthIt) expect(cpuMilli).toBeGreaterThan(1500);
      else expect(cpuMilli).toBeLessThan(1100);
    }
  });

  test("that is nearly proven is not made to wait for nine other containers", () => {
    const [sizing, of] = [sizingWith(), versionOf(1024)];
    const small: number[] = [];
    for (let i = 0; i < 60; i++) if (run(sizing, of, 90, {}) < 1024) small.push(i);
    // Each container runs once here. Four good ones are more than half of what proves it.
    const since = small.map((i) => i - small[0]!);
    expect(since.slice(0, 8)).toEqual([0, 10, 20, 30, 32, 34, 36, 37]);
  });

  test("is given up when executions turn slow after it was proven", () => {
    const [sizing, of] = [sizingWith(), versionOf(1024)];
    runMany(sizing, of, lean(400));
    expect(sizing.effectiveOf(of).memoryMiB).toBeLessThan(1024);
    for (let i = 0; i < 10; i++) run(sizing, of, 90, { wallUs: 40_000 });
    expect(sizing.versionOf(of.key)?.proven.memoryMiB).toBe(1024);
  });
});

describe("for any sequence of outcomes", () => {
  const step = fc.record({
    needMiB: fc.constantFrom(20, 90, 91, 200, 500, 1023, 1200),
    times: fc.constantFrom(1, 1, 2, 25, 120),
    outcome: fc.constantFrom<SizedOutcome>("ok", "ok", "ok", "error", "timeout", "reclaimed"),
    wallUs: fc.constantFrom(1000, 1000, 10_000),
    memoryStallUs: fc.constantFrom(0, 0, 0, 900),
    cpuUs: fc.constantFrom(undefined, 100, 900),
    isCold: fc.boolean(),
  });

  test("failures of sizes of our making, and changes, are bounded", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom("ratio", "apart"), (steps, cpu) => {
        const [sizing, of] = [sizingWith({ cpu: cpu as "ratio" | "apart" }), versionOf(1024)];
        let [executions, failures, shrinks, before] = [0, 0, 0, 1024];
        for (const { needMiB, times, ...more } of steps) {
          for (let i = 0; i < times; i++) {
            executions++;
            const limit = sizing.effectiveOf(of).memoryMiB;
            const isKilled = needMiB > limit && more.outcome !== "reclaimed";
            if ((isKilled || more.memoryStallUs > more.wallUs * 0.02) && limit < 1024 && more.outcome !== "reclaimed")
              failures++;
            run(sizing, of, needMiB, isKilled ? { ...more, outcome: "outOfMemory" } : more);
            const proven = sizing.versionOf(of.key)?.proven.memoryMiB ?? 1024;
            expect(proven).toBeGreaterThanOrEqual(32);
            expect(proven).toBeLessThanOrEqual(1024);
            if (proven < before) shrinks++;
            before = proven;
          }
        }
        expect(failures).toBeLessThanOrEqual(FAILURES_MAX);
        expect(shrinks).toBeLessThanOrEqual((FAILURES_MAX + 1) * (1 + Math.log2(executions + 1)) + executions / 2048);
        expect(sizing.decisionsOf(of.key).length).toBeLessThanOrEqual(8);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test("an adversary that fails every smaller size, sooner or later, gets eight failures and no size twice", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(1, 5, 8, 30, 200), { minLength: 30, maxLength: 30 }), (patience) => {
        const [sizing, of] = [sizingWith(), versionOf(1024)];
        let [failures, largestFailed, good] = [0, 0, 0];
        for (let i = 0; i < 12_000; i++) {
          const limit = sizing.effectiveOf(of).memoryMiB;
          if (limit < 1024) expect(limit).toBeGreaterThan(largestFailed);
          const isFailing = limit < 1024 && ++good > (patience[failures % patience.length] ?? 1);
          run(sizing, of, 90, { memoryStallUs: isFailing ? 5000 : 0 });
          if (!isFailing) continue;
          [failures, largestFailed, good] = [failures + 1, limit, 0];
        }
        expect(failures).toBe(FAILURES_MAX);
        expect(sizing.effectiveOf(of).memoryMiB).toBe(1024);
      }),
      { numRuns: 20 },
    );
  }, 120_000);

  test("what is stored is small and restores the same function version", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 10 }), (past, future) => {
        const of = versionOf(1024);
        const play = (sizing: Sizing, steps: typeof past) =>
          steps.flatMap(({ needMiB, times, ...more }) =>
            Array.from({ length: times }, () => run(sizing, of, needMiB, more)),
          );
        const [kept, restored] = [sizingWith(), sizingWith()];
        play(kept, past);
        const text = JSON.stringify(kept.recordOf(of.key) ?? null);
        expect(text.length).toBeLessThanOrEqual(4096);
        if (text !== "null") restored.restore(JSON.parse(text));
        expect(play(restored, future)).toEqual(play(kept, future));
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});
