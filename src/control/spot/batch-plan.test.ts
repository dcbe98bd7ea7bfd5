import fc from "fast-check";
import { expect, test } from "vitest";
import { planBatch } from "./batch-plan.ts";

const SETTINGS = { standbyBootMs: 60_000, safetyMs: 10_000 };
const STEP_MS = 5000;

test("no market makes a batch late that had the time for two starts", () => {
  // What the market does in a stretch of time: nothing to be had, capacity, capacity that goes without a notice.
  const stretch = fc.record({ isOffered: fc.boolean(), steps: fc.integer({ min: 1, max: 120 }) });
  fc.assert(
    fc.property(
      fc.array(stretch, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 1, max: 40 }),
      (stretches, workSteps, extraSteps, launchSteps) => {
        const offered = stretches.flatMap(({ isOffered, steps }) => Array<boolean>(steps).fill(isOffered));
        const slackMs = 2 * (SETTINGS.standbyBootMs + SETTINGS.safetyMs) + extraSteps * STEP_MS;
        let workLeftMs = workSteps * STEP_MS;
        const deadlineMs = workLeftMs + slackMs;
        let [variableReadyMs, fixedReadyMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
        let nowMs = 0;
        for (let step = 0; workLeftMs > 0; step++, nowMs += STEP_MS) {
          expect(nowMs).toBeLessThan(deadlineMs);
          const isOffered = offered[step % offered.length] ?? false;
          if (!isOffered) variableReadyMs = Number.POSITIVE_INFINITY;
          const isOnVariable = variableReadyMs <= nowMs;
          const plan = planBatch({ workLeftMs, timeLeftMs: deadlineMs - nowMs, isOnVariable }, SETTINGS);
          if (!plan.variable || !isOffered) variableReadyMs = Number.POSITIVE_INFINITY;
          else variableReadyMs = Math.min(variableReadyMs, nowMs + launchSteps * STEP_MS);
          fixedReadyMs = plan.fixed ? Math.min(fixedReadyMs, nowMs + SETTINGS.standbyBootMs) : Number.POSITIVE_INFINITY;
          if (Math.min(variableReadyMs, fixedReadyMs) <= nowMs) workLeftMs -= STEP_MS;
        }
        expect(nowMs).toBeLessThanOrEqual(deadlineMs);
      },
    ),
    { numRuns: 300 },
  );
});

test("it waits for variable capacity while there is time, and no longer", () => {
  const plan = (slackMs: number, isOnVariable: boolean) =>
    planBatch({ workLeftMs: 100_000, timeLeftMs: 100_000 + slackMs, isOnVariable }, SETTINGS);
  expect(plan(140_000, false)).toEqual({ variable: true, fixed: false });
  expect(plan(139_999, false)).toEqual({ variable: true, fixed: true });
  expect(plan(70_000, true)).toEqual({ variable: true, fixed: false });
  expect(plan(69_999, true)).toEqual({ variable: false, fixed: true });
});
