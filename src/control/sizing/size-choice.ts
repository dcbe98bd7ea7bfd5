import { cpuMilliOf } from "../../model/function-version.ts";
import type { ContainerSize, SizingSettings } from "../../model/sizing.ts";
import { type CpuChoice, chooseCpu, usdPerHourOf } from "./cpu-choice.ts";
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

/** Less to be gained is not worth a trial. */
const HOPE_MIN = 0.005;
/** Each candidate is this much larger than the one before. */
const CANDIDATE_STEP = 1.02;
const CANDIDATES_MAX = 400;

/**
 * CPU apart: the best CPU by the policy for a container of the memory that it has.
 * @param leastMilli what is less is not asked for.
 */
export function chooseCpuApart(question: SizeQuestion, leastMilli = 0): SizeChoice {
  const candidates = cpuCandidates(question).filter((milli) => milli >= leastMilli);
  return apart(question, choose(question, candidates, () => question.now.memoryMiB)?.cpuMilli);
}

/**
 * CPU apart: a limit where nothing was measured, and which would be better than what there is by enough to find out if it is
 * as much better than foretold as is likely. Otherwise a choice among what was measured never sees what is better farther off.
 * @returns undefined: there is none.
 */
export function cpuWorthTrying(question: SizeQuestion): SizeChoice | undefined {
  const { now } = question;
  const candidates = cpuCandidates(question);
  const known = choose(question, [now.cpuMilli], () => now.memoryMiB);
  const hoped = choose(question, candidates, () => now.memoryMiB, true);
  const isWorthIt = known !== undefined && hoped !== undefined && hoped.score < known.score * (1 - HOPE_MIN);
  return isWorthIt ? apart(question, hoped.cpuMilli) : undefined;
}

function cpuCandidates({ settings, now, requested }: SizeQuestion): number[] {
  const most = Math.max(requested.cpuMilli, settings.cpuMilliMax);
  const grid = steps(Math.min(settings.cpuMilliMin, requested.cpuMilli), most).map(Math.round);
  // Whole CPUs are where the curves of most functions bend.
  const whole = steps(1000, most, 1000).filter((milli) => milli <= most);
  return [...grid, ...whole, requested.cpuMilli, now.cpuMilli];
}

function apart(question: SizeQuestion, cpuMilli = question.now.cpuMilli): SizeChoice {
  return choiceOf(question, { memoryMiB: question.now.memoryMiB, cpuMilli });
}

/** By the ratio: the best size that has at least the memory that is needed. @returns undefined: it is not below the one there is. */
export function chooseByRatio(question: SizeQuestion, needMiB: number): SizeChoice {
  const { bounds, requested, now } = question;
  const least = withinBounds(bounds, needMiB);
  const sizes = [...steps(least, bounds.memoryMiBMax), requested.memoryMiB, now.memoryMiB]
    .map((memoryMiB) => withinBounds(bounds, memoryMiB))
    .filter((memoryMiB) => memoryMiB >= least);
  const memoryOf = new Map(sizes.map((memoryMiB) => [cpuMilliOf(memoryMiB), memoryMiB]));
  const memoryMiBAt = (milli: number) => memoryOf.get(milli) ?? now.memoryMiB;
  const cpuMilli = choose(question, [...memoryOf.keys()], memoryMiBAt)?.cpuMilli ?? now.cpuMilli;
  return choiceOf(question, { memoryMiB: memoryOf.get(cpuMilli) ?? now.memoryMiB, cpuMilli });
}

/** @returns undefined: all of them failed. */
function choose(
  { settings, requested, demand, errors, now, failedCpuMilli }: SizeQuestion,
  candidates: readonly number[],
  memoryMiBAt: (cpuMilli: number) => number,
  isHopeful = false,
): CpuChoice | undefined {
  const candidatesMilli = [...new Set(candidates)].filter((milli) => milli > failedCpuMilli).sort((a, b) => a - b);
  if (candidatesMilli.length === 0) return undefined;
  return chooseCpu({
    demand,
    errors,
    isHopeful,
    policy: settings.policy,
    sloMs: settings.sloMs,
    requestedCpuMilli: requested.cpuMilli,
    nowCpuMilli: now.cpuMilli,
    prices: settings.prices,
    candidatesMilli,
    memoryMiBAt,
  });
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
