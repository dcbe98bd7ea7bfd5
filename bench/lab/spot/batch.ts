import { planBatch } from "../../../src/control/spot/batch-plan.ts";
import type { Random } from "../../../src/simulator/random.ts";
import { STEP_MS } from "./market.ts";
import { type Faults, TERMS } from "./world.ts";

/** One batch: so much work of one instance within so much time, from a step of the trace on. */
export type BatchJob = { readonly firstStep: number; readonly workMs: number; readonly timeMs: number };

export type BatchOutcome = {
  readonly isLate: boolean /** Of the price of its work on fixed capacity. */;
  readonly cost: number;
};

/** What a rule for batches sees. `spot` and `fixed` are what runs or starts; a lost or given up one is gone. */
export type BatchView = {
  readonly job: BatchJob;
  readonly passedMs: number;
  readonly workLeftMs: number;
  readonly isSpotOffered: boolean;
  readonly spot: { readonly isReady: boolean; readonly noticedEndMs: number | undefined } | undefined;
  readonly fixed: { readonly isReady: boolean } | undefined;
};

/** What it wants; spot is had only while it is offered, or as long as it is not taken away. */
export type BatchWish = { readonly spot: boolean; readonly fixed: boolean };
export type BatchRule = (view: BatchView) => BatchWish;

/** @param isOffered whether the pool has room for this instance at a step; one that it has is taken away when there is none. */
export function replayBatch(
  isOffered: (step: number) => boolean,
  job: BatchJob,
  rule: BatchRule,
  faults: Faults,
  random: Random,
): BatchOutcome {
  const noticeSteps = TERMS.noticeMs / STEP_MS;
  let spot: { readyMs: number; endMs: number | undefined; noticedMs: number } | undefined;
  let fixed: { readyMs: number } | undefined;
  let [workLeftMs, cost, passedMs] = [job.workMs, 0, 0];
  for (let step = job.firstStep; workLeftMs > 0 && passedMs < 3 * job.timeMs; step++, passedMs += STEP_MS) {
    const hasRoom = isOffered(step) && isOffered(step + noticeSteps);
    if (spot !== undefined && spot.endMs === undefined && !isOffered(step + noticeSteps)) {
      const isLost = random.next() < faults.lostShare;
      const lateMs = random.int(0, Math.floor(faults.lateMsMax / STEP_MS)) * STEP_MS;
      spot = {
        ...spot,
        endMs: passedMs + TERMS.noticeMs,
        noticedMs: isLost ? Number.POSITIVE_INFINITY : passedMs + lateMs,
      };
    }
    if (spot?.endMs === passedMs) spot = undefined;
    const wish = rule({
      job,
      passedMs,
      workLeftMs,
      isSpotOffered: spot !== undefined || hasRoom,
      spot: spot && {
        isReady: spot.readyMs <= passedMs,
        noticedEndMs: spot.noticedMs <= passedMs ? spot.endMs : undefined,
      },
      fixed: fixed && { isReady: fixed.readyMs <= passedMs },
    });
    if (!wish.spot) spot = undefined;
    else if (hasRoom)
      spot ??= { readyMs: passedMs + TERMS.launchMs, endMs: undefined, noticedMs: Number.POSITIVE_INFINITY };
    fixed = wish.fixed ? (fixed ?? { readyMs: passedMs + TERMS.standbyBootMs }) : undefined;
    if ([spot, fixed].some((instance) => instance !== undefined && instance.readyMs <= passedMs)) workLeftMs -= STEP_MS;
    cost += ((spot ? TERMS.spotPrice : 0) + (fixed ? TERMS.fixedPrice : 0)) * STEP_MS;
  }
  return { isLate: passedMs > job.timeMs, cost: cost / job.workMs };
}

const SETTINGS = { standbyBootMs: TERMS.standbyBootMs, safetyMs: 10_000 };

/** What production does. */
export function hearthBatch(): BatchRule {
  return ({ job, passedMs, workLeftMs, spot }) => {
    const horizonMs = passedMs + SETTINGS.standbyBootMs + SETTINGS.safetyMs;
    const isOnVariable = spot?.isReady === true && (spot.noticedEndMs ?? Number.POSITIVE_INFINITY) > horizonMs;
    const plan = planBatch({ workLeftMs, timeLeftMs: job.timeMs - passedMs, isOnVariable }, SETTINGS);
    return { spot: plan.variable, fixed: plan.fixed };
  };
}

export function fixedBatch(): BatchRule {
  return () => ({ spot: false, fixed: true });
}

/** Waits for spot until the deadline is as near as it may come, then fixed to the end. */
export function greedyBatch(): BatchRule {
  let isLast = false;
  return ({ job, passedMs, workLeftMs, spot }) => {
    isLast ||= spot === undefined && job.timeMs - passedMs < workLeftMs + 2 * TERMS.launchMs;
    return { spot: !isLast, fixed: isLast };
  };
}

/**
 * Uniform Progress (Wu et al., Can't Be Late, NSDI'24): spot whenever it is offered, kept until it is lost. Without spot and behind the
 * even pace: fixed, until it is ahead of the pace by two restarts. When only two restarts of slack are left: fixed to the end.
 */
export function uniformProgress(): BatchRule {
  let [isCatchingUp, isLast] = [false, false];
  return ({ job, passedMs, workLeftMs, isSpotOffered }) => {
    const restartMs = TERMS.launchMs;
    const pace = job.workMs / job.timeMs;
    const doneMs = job.workMs - workLeftMs;
    isLast ||= !isSpotOffered && job.timeMs - passedMs < workLeftMs + 2 * restartMs;
    if (isLast) return { spot: false, fixed: true };
    if (isSpotOffered) {
      isCatchingUp = false;
      return { spot: true, fixed: false };
    }
    if (doneMs < passedMs * pace) isCatchingUp = true;
    if (doneMs >= (passedMs + 2 * restartMs) * pace) isCatchingUp = false;
    return { spot: false, fixed: isCatchingUp };
  };
}

/** No rule can pay less: all capacity that there is before the deadline at the spot price, the rest fixed, and nothing for starts. */
export function leastBatchCost(isOffered: (step: number) => boolean, { firstStep, workMs, timeMs }: BatchJob): number {
  let spotMs = 0;
  for (let step = firstStep; step < firstStep + timeMs / STEP_MS; step++) if (isOffered(step)) spotMs += STEP_MS;
  const onSpot = Math.min(workMs, spotMs);
  return (onSpot * TERMS.spotPrice + (workMs - onSpot) * TERMS.fixedPrice) / workMs;
}
