import type { ContainerSize, SizingPolicy, UnitPrices } from "../../model/sizing.ts";
import { type CpuDemand, cautious, durationMsAt } from "./cpu-demand.ts";
import { errorFactorAt, type PredictionErrors } from "./prediction-error.ts";

export type CpuChoice = { readonly cpuMilli: number; readonly durationMs: number; readonly costUsd: number };

export type CpuQuestion = {
  readonly demand: CpuDemand;
  /** For what an execution costs. A promise on its duration is kept by the prediction alone, which is cautious for that. */
  readonly errors: PredictionErrors;
  readonly policy: SizingPolicy;
  /** Of `slo`: the longest duration; undefined: a tenth more than at the requested size. */
  readonly sloMs: number | undefined;
  readonly requestedCpuMilli: number;
  /** What there is. */
  readonly nowCpuMilli: number;
  readonly prices: UnitPrices;
  /** Ascending, with the requested one among them. */
  readonly candidatesMilli: readonly number[];
  /** Of a container with that CPU. */
  readonly memoryMiBAt: (cpuMilli: number) => number;
};

/** `speed`: so much slower than the fastest is as fast. */
const SPEED_SLACK = 0.03;
/** `slo`: so much slower than at the requested size is allowed unless a duration is given. */
const SLO_SLACK = 0.1;
/** Predictions err by some per cent: a promise is kept with this much to spare. */
const PREDICTION_SLACK = 0.01;
/** More is given at once and without a trial, so it has to be better by as much as predictions often err. */
const GAIN_MIN = 0.02;
const HOUR_MS = 3_600_000;
const MIB_PER_GIB = 1024;

/**
 * Of the candidates the best by the policy: `cost` the cheapest execution, `balanced` the least product of cost and
 * duration, `speed` the cheapest within 3 % of the fastest, `slo` the cheapest that keeps the duration. Of equals the smaller;
 * what there is stays where more would be better by less than 2 %.
 */
export function chooseCpu(question: CpuQuestion): CpuChoice {
  const choices = question.candidatesMilli.map((cpuMilli) => choiceAt(question, cpuMilli));
  const allowedMs = allowedDurationMs(question);
  const promised = question.policy === "slo" ? cautious(question.demand) : question.demand;
  const allowed = choices.filter(({ cpuMilli }) => durationMsAt(promised, cpuMilli) <= allowedMs);
  const fastest = choices.reduce((best, one) => (one.durationMs < best.durationMs ? one : best));
  const scoreOf = question.policy === "balanced" ? balance : ({ costUsd }: CpuChoice) => costUsd;
  const first = allowed[0] ?? fastest;
  const best = allowed.reduce((best, one) => (scoreOf(one) < scoreOf(best) * (1 - 1e-9) ? one : best), first);
  const now = allowed.find(({ cpuMilli }) => cpuMilli === question.nowCpuMilli);
  const isHardlyBetter = now !== undefined && scoreOf(best) > scoreOf(now) * (1 - GAIN_MIN);
  return isHardlyBetter && best.cpuMilli > now.cpuMilli ? now : best;
}

function choiceAt({ demand, errors, prices, memoryMiBAt }: CpuQuestion, cpuMilli: number): CpuChoice {
  const durationMs = durationMsAt(demand, cpuMilli) * errorFactorAt(errors, cpuMilli);
  const usdPerHour = usdPerHourOf(prices, { cpuMilli, memoryMiB: memoryMiBAt(cpuMilli) });
  return { cpuMilli, durationMs, costUsd: (usdPerHour * durationMs) / HOUR_MS };
}

export function usdPerHourOf(
  { vcpuUsdPerHour, gibUsdPerHour }: UnitPrices,
  { cpuMilli, memoryMiB }: ContainerSize,
): number {
  return (vcpuUsdPerHour * cpuMilli) / 1000 + (gibUsdPerHour * memoryMiB) / MIB_PER_GIB;
}

function balance({ costUsd, durationMs }: CpuChoice): number {
  return costUsd * durationMs;
}

function allowedDurationMs({ demand, policy, sloMs, requestedCpuMilli, candidatesMilli }: CpuQuestion): number {
  if (policy === "speed")
    return Math.min(...candidatesMilli.map((milli) => durationMsAt(demand, milli))) * (1 + SPEED_SLACK);
  if (policy !== "slo") return Number.POSITIVE_INFINITY;
  const allowedMs = sloMs ?? durationMsAt(demand, requestedCpuMilli) * (1 + SLO_SLACK);
  return allowedMs * (1 - PREDICTION_SLACK);
}
