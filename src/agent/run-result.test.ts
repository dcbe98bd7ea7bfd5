import fc from "fast-check";
import { expect, test } from "vitest";
import { UNMEASURED } from "../model/invocation.ts";
import { initUsOf, spentUs } from "./elapsed.ts";
import { runResult } from "./run-result.ts";

const OWN = { cpuUs: 700, memoryBytes: 9_000 };

test("an execution that timed out took at least its timeout, and any other one what it took", () => {
  const us = fc.nat(2_000_000);
  fc.assert(
    fc.property(us, fc.nat(2000), (measuredUs, limitMs) => {
      expect(spentUs(measuredUs, "timeout", limitMs)).toBe(Math.max(measuredUs, limitMs * 1000));
      expect(spentUs(measuredUs, "ok", limitMs)).toBe(measuredUs);
    }),
  );
});

test("an init takes what the runtime says, but neither longer than was measured nor less than nothing", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer(), (measuredUs, reportedUs) => {
      expect(initUsOf(measuredUs, undefined)).toBe(measuredUs);
      const initUs = initUsOf(measuredUs, reportedUs);
      expect(initUs).toBeGreaterThanOrEqual(0);
      expect(initUs).toBeLessThanOrEqual(measuredUs);
      if (reportedUs >= 0 && reportedUs <= measuredUs) expect(initUs).toBe(reportedUs);
    }),
  );
});

test("what was measured goes before what the runtime says of itself", () => {
  const run = { beganMs: performance.now(), initUs: 5 };
  const measured = runResult(run, "ok", 1000, true, undefined, { ...UNMEASURED, cpuUs: 3, memoryPeakBytes: 4 }, OWN);
  expect(measured).toMatchObject({ outcome: "ok", containerUsable: true, cpuUs: 3, memoryPeakBytes: 4, initUs: 5 });
  const stated = runResult(run, "ok", 1000, true, undefined, undefined, OWN);
  expect(stated).toMatchObject({ cpuUs: 700, memoryPeakBytes: 9_000 });
});

test("a run whose execution never began took no time, unless the time was all that it had", () => {
  const run = { beganMs: undefined, initUs: undefined };
  const exited = runResult(run, "exit", 300, false, "signal: killed", undefined, undefined);
  expect(exited).toEqual({ ...UNMEASURED, outcome: "exit", containerUsable: false, wallUs: 0, exit: "signal: killed" });
  expect(runResult(run, "timeout", 300, false, undefined, undefined, undefined).wallUs).toBe(300_000);
});
