import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOnProbation } from "./probation.ts";
import { standbyTarget, standInsWanted } from "./stand-in.ts";

const SETTINGS = { standbyBootMs: 60_000, safetyMs: 10_000 };
const ready = { readySinceMs: 0, endsAtMs: undefined };

describe("stand-ins", () => {
  test("the story of one notice", () => {
    const noticeMs = 100_000;
    const taken = { readySinceMs: 0, endsAtMs: noticeMs + 120_000 };
    const wanted = (nowMs: number, ...others: readonly { readySinceMs: number | undefined; endsAtMs: undefined }[]) =>
      standInsWanted(2, [ready, taken, ...others], SETTINGS, nowMs);
    // There is time: the notice is longer than a standby takes.
    expect(wanted(noticeMs)).toBe(0);
    expect(wanted(noticeMs + 49_999)).toBe(0);
    expect(wanted(noticeMs + 50_000)).toBe(1);
    // A launch is no replacement yet, a ready instance is.
    expect(wanted(noticeMs + 110_000, { readySinceMs: undefined, endsAtMs: undefined })).toBe(1);
    expect(wanted(noticeMs + 115_000, { readySinceMs: noticeMs + 115_000, endsAtMs: undefined })).toBe(0);
  });

  test("whoever starts what is wanted at each moment has everything ready at each moment, whatever notices come", () => {
    const stepMs = 5000;
    const life = fc.record({ readyMs: fc.nat(300).map((s) => s * 1000), lifeMs: fc.integer({ min: 70, max: 900 }) });
    fc.assert(
      fc.property(fc.array(life, { maxLength: 8 }), fc.integer({ min: 1, max: 5 }), (lives, needed) => {
        const instances = lives.map(({ readyMs, lifeMs }) => ({ readyMs, endMs: readyMs + lifeMs * 1000 }));
        // Notices come 70 s ahead: a standby's start and the safety.
        let standIns = Array.from({ length: needed }, () => 0);
        for (let nowMs = 0; nowMs < 1_500_000; nowMs += stepMs) {
          const alive = instances.filter(({ endMs }) => endMs > nowMs);
          const variable = alive.map(({ readyMs, endMs }) => ({
            readySinceMs: readyMs <= nowMs ? readyMs : undefined,
            endsAtMs: endMs - nowMs <= 70_000 + stepMs ? endMs : undefined,
          }));
          const wanted = standInsWanted(needed, variable, SETTINGS, nowMs);
          while (standIns.length < wanted) standIns.push(nowMs + SETTINGS.standbyBootMs);
          standIns = standIns.sort((a, b) => a - b).slice(0, wanted);
          const usable = alive.filter(({ readyMs }) => readyMs <= nowMs).length;
          expect(usable + standIns.filter((readyMs) => readyMs <= nowMs).length).toBeGreaterThanOrEqual(needed);
        }
      }),
    );
  });

  test("standbys cover the offer that holds the most", () => {
    expect(standbyTarget([3, 8, 5])).toBe(8);
    expect(standbyTarget([])).toBe(0);
  });

  test("the young are on probation", () => {
    expect([isOnProbation(0, 599_999), isOnProbation(0, 600_000)]).toEqual([true, false]);
  });
});
