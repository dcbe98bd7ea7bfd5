import { describe, expect, test } from "vitest";
import type { SizedVersion } from "../../model/grant.ts";
import type { AccountId } from "../../model/ids.ts";
import { type SizingScope, type SizingSettings, sizingKeyOf } from "../../model/sizing.ts";
import { executeOnce } from "./execution-fixture.ts";
import { Sizing, type SizingRecord } from "./sizing.ts";

const ACCOUNT = "000000000000" as AccountId;
const SCOPE: SizingScope = { kind: "account", accountId: ACCOUNT };
const REQUESTED = { memoryMiB: 1024, cpuMilli: 579 };
const VERSION: SizedVersion = {
  key: sizingKeyOf(ACCOUNT, "f", "1", "x86_64"),
  accountId: ACCOUNT,
  functionName: "f",
  memoryMiB: REQUESTED.memoryMiB,
};
const HARD = { limits: "hard" } as const;
const USUAL_US = 50_000;
/** Below this CPU it takes eight times as long, which its CPU time does not foretell. */
const SLOW_BELOW_MILLI = 290;

const configured = (settings: Partial<SizingSettings>) => {
  const sizing = new Sizing();
  sizing.configure(SCOPE, settings);
  return sizing;
};

/** Some 60 MiB and little CPU each time. @param slowBelowMilli 0: as fast with any CPU. */
function execute(sizing: Sizing, count: number, slowBelowMilli = 0): void {
  for (let i = 0; i < count; i++) {
    const isSlow = sizing.effectiveOf(VERSION).cpuMilli < slowBelowMilli;
    const wallUs = (isSlow ? 8 : 1) * USUAL_US + (i % 9) * 300;
    executeOnce(sizing, VERSION, 60 + (i % 7) / 4, { wallUs, cpuUs: 2000 });
  }
}

/** As after a restart that found other settings than the record was written under. */
function restarted(sizing: Sizing, settings: Partial<SizingSettings>): Sizing {
  const next = configured(settings);
  next.restore(JSON.parse(JSON.stringify(sizing.recordOf(VERSION.key))) as SizingRecord);
  return next;
}

describe("other settings", () => {
  test.each([
    ["hard limits", HARD],
    ["CPU apart", { cpu: "apart", policy: "cost" } as const],
  ])("with %s no more, new containers have the CPU again that was requested", (_, before) => {
    const sizing = configured(before);
    execute(sizing, 400);
    expect(sizing.effectiveOf(VERSION).cpuMilli).toBeLessThan(REQUESTED.cpuMilli);

    sizing.configure(SCOPE, {});

    expect(sizing.effectiveOf(VERSION)).toMatchObject(REQUESTED);
  });

  test("what was only suggested goes on trial before it is applied", () => {
    const sizing = configured({ ...HARD, mode: "suggest" });
    execute(sizing, 200, SLOW_BELOW_MILLI);
    const suggested = sizing.storyOf(VERSION.key)?.learned;
    expect(suggested?.memoryMiB).toBeLessThan(100);
    expect(sizing.effectiveOf(VERSION)).toMatchObject(REQUESTED);

    sizing.configure(SCOPE, HARD);

    expect(sizing.effectiveOf(VERSION)).toMatchObject(REQUESTED);
    execute(sizing, 1, SLOW_BELOW_MILLI);
    expect(sizing.versionOf(VERSION.key)?.trial?.memoryMiB).toBeLessThan(100);
  });

  test("a suggestion that would slow its function down is dropped by its trial", () => {
    const sizing = configured({ ...HARD, mode: "suggest" });
    execute(sizing, 200, SLOW_BELOW_MILLI);

    sizing.configure(SCOPE, HARD);
    execute(sizing, 1000, SLOW_BELOW_MILLI);

    expect(sizing.versionOf(VERSION.key)?.failures).toBeGreaterThan(0);
    expect(sizing.versionOf(VERSION.key)?.proven.cpuMilli).toBeGreaterThanOrEqual(SLOW_BELOW_MILLI);
  });

  test("a size that was tried before its function was only advised is the suggestion", () => {
    const sizing = configured(HARD);
    execute(sizing, 400);
    const learned = sizing.versionOf(VERSION.key)?.proven;

    sizing.configure(SCOPE, { ...HARD, mode: "suggest" });

    expect(sizing.versionOf(VERSION.key)?.proven).toEqual(learned);
    expect(sizing.effectiveOf(VERSION)).toMatchObject(REQUESTED);
  });

  test("another policy is followed with the next execution, however many there were", () => {
    const sizing = configured({ cpu: "apart", policy: "cost" });
    const compute = (count: number) => {
      for (let i = 0; i < count; i++) {
        // 400 ms of one processor, and 50 ms of waiting.
        const wallMs = 50 + 400 / Math.min(1, sizing.effectiveOf(VERSION).cpuMilli / 1000);
        const figures = { wallUs: wallMs * 1000, cpuUs: 400_000, throttledUs: (wallMs - 450) * 1000 };
        executeOnce(sizing, VERSION, 60, figures);
      }
    };
    compute(3000);
    const cheapMilli = sizing.effectiveOf(VERSION).cpuMilli;

    sizing.configure(SCOPE, { cpu: "apart", policy: "speed" });
    compute(1);

    expect(sizing.effectiveOf(VERSION).cpuMilli).toBeGreaterThan(cheapMilli);
  });

  test("the same settings again end no trial", () => {
    const sizing = configured(HARD);
    execute(sizing, 25);
    const trial = sizing.versionOf(VERSION.key)?.trial;
    expect(trial).toBeDefined();

    sizing.configure(SCOPE, { ...HARD });

    expect(sizing.versionOf(VERSION.key)?.trial).toEqual(trial);
  });

  test.each([
    ["a least amount", { ...HARD, memoryMiBMin: 512 }, { memoryMiB: 512 }],
    ["soft limits", {}, REQUESTED],
  ])("that were stored without the size hold after a restart: %s", (_, settings, expected) => {
    const sizing = configured(HARD);
    execute(sizing, 400);
    expect(sizing.effectiveOf(VERSION).memoryMiB).toBeLessThan(100);

    expect(restarted(sizing, settings).effectiveOf(VERSION)).toMatchObject(expected);
  });

  test("that stayed the same change nothing over a restart", () => {
    const sizing = configured(HARD);
    execute(sizing, 25);
    const next = restarted(sizing, HARD);

    expect(next.recordOf(VERSION.key)).toEqual(sizing.recordOf(VERSION.key));
  });
});
