import { cpuMilliOf } from "../../model/function-version.ts";
import type { ContainerSize, SizingSettings } from "../../model/sizing.ts";
import { chooseCpu, usdPerHourOf } from "./cpu-choice.ts";
import { type CpuDemand, durationMsAt } from "./cpu-demand.ts";
import { errorFactorAt, type PredictionErrors } from "./prediction-error.ts";
import { type SizeBounds, withinBounds } from "./size-bounds.ts";

/** A size, and how much longer than now an execution may take there before the choice was wrong. */
export type SizeChoice = { readonly size: ContainerSize; readonly slowFactor: number };

export type SizeQuestion = {
  readonly settings: SizingSettings;
  readonly bounds: SizeBounds;
  readonly requested: ContainerSize;
  readonly now: ContainerSize;
  readonly demand: CpuDemand;
  readonly errors: PredictionErrors;
  /** No CPU at or below this is to be had: it failed. */
  readonly failedCpuMilli: number;
};

/** Each candidate is this much larger than the one before. */
const CANDIDATE_STEP = 1.04;
const CANDIDATES_MAX = 400;

/** CPU apart: the best CPU by the policy for a container of the memory that it has. */
export function chooseCpuApart(question: SizeQuestion): SizeChoice {
  const { settings, now, requested, failedCpuMilli } = question;
  const most = Math.max(requested.cpuMilli, settings.cpuMilliMax);
  const grid = steps(Math.min(settings.cpuMilliMin, requested.cpuMilli), most).map(Math.round);
  // Whole CPUs are where the curves of most functions bend.
  const whole = steps(1000, most, 1000).filter((milli) => milli <= most);
  const cpuMilli = choose(
    question,
    [...grid, ...whole, requested.cpuMilli, now.cpuMilli].filter((milli) => milli > failedCpuMilli),
    () => now.memoryMiB,
  );
  return choiceOf(question, { memoryMiB: now.memoryMiB, cpuMilli });
}

/** By the ratio: the best size that has at least the memory that is needed. @returns undefined: it is not below the one there is. */
export function chooseByRatio(question: SizeQuestion, needMiB: number): SizeChoice {
  const { bounds, requested, now, failedCpuMilli } = question;
  const least = withinBounds(bounds, needMiB);
  const sizes = [...steps(least, bounds.memoryMiBMax), requested.memoryMiB, now.memoryMiB]
    .map((memoryMiB) => withinBounds(bounds, memoryMiB))
    .filter((memoryMiB) => memoryMiB >= least);
  const memoryOf = new Map(sizes.map((memoryMiB) => [cpuMilliOf(memoryMiB), memoryMiB]));
  const cpuMilli = choose(
    question,
    [...memoryOf.keys()].filter((milli) => milli > failedCpuMilli),
    (milli) => memoryOf.get(milli) ?? now.memoryMiB,
  );
  return choiceOf(question, { memoryMiB: memoryOf.get(cpuMilli) ?? now.memoryMiB, cpuMilli });
}

function choose(
  { settings, requested, demand, errors, now }: SizeQuestion,
  candidates: readonly number[],
  memoryMiBAt: (cpuMilli: number) => number,
): number {
  if (candidates.length === 0) return now.cpuMilli;
  return chooseCpu({
    demand,
    errors,
    policy: settings.policy,
    sloMs: settings.sloMs,
    requestedCpuMilli: requested.cpuMilli,
    nowCpuMilli: now.cpuMilli,
    prices: settings.prices,
    candidatesMilli: [...new Set(candidates)].sort((a, b) => a - b),
    memoryMiBAt,
  }).cpuMilli;
}

function choiceOf({ demand, errors, now, settings }: SizeQuestion, size: ContainerSize): SizeChoice {
  const expectedMs = ({ cpuMilli }: ContainerSize) => durationMsAt(demand, cpuMilli) * errorFactorAt(errors, cpuMilli);
  const expected = expectedMs(size) / expectedMs(now);
  return { size, slowFactor: Math.max(expected, breakEvenFactor(settings, now, size)) };
}

/** As long as an execution is not slowed by more than this, the smaller size is the better one by the policy's own measure; 0: duration is promised. */
function breakEvenFactor({ policy, prices }: SizingSettings, now: ContainerSize, size: ContainerSize): number {
  const saving = usdPerHourOf(prices, now) / usdPerHourOf(prices, size);
  if (policy === "cost") return saving;
  return policy === "balanced" ? Math.sqrt(saving) : 0;
}

/** Ascending, both ends included. @param increment undefined: geometric. */
function steps(from: number, to: number, increment?: number): number[] {
  const result = [];
  for (
    let at = from;
    at < to && result.length < CANDIDATES_MAX;
    at = increment ? at + increment : at * CANDIDATE_STEP
  ) {
    result.push(at);
  }
  return [...result, Math.max(from, to)];
}
