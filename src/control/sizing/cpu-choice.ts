import type { ContainerSize, SizingPolicy, UnitPrices } from "../../model/sizing.ts";
import { type CpuDemand, cautious, durationMsAt } from "./cpu-demand.ts";
import { doubtAt, errorFactorAt, type PredictionErrors } from "./prediction-error.ts";

export type CpuChoice = {
  readonly cpuMilli: number;
  readonly durationMs: number;
  readonly costUsd: number;
  /** What the policy makes as small as it can. */
  readonly score: number;
};

export type CpuQuestion = {
  readonly demand: CpuDemand;
  readonly errors: PredictionErrors;
  /** Where nothing was measured, executions are taken to be as short as is likely: for what is worth a trial. */
  readonly isHopeful: boolean;
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
/** A promise is kept with this much to spare: medians come from buckets of 2 %, so they are off by 0.6 % even where nothing varies. */
const PROMISE_SPARE = 0.006;
/**
 * More is given at once and without a trial, so it has to be better by a part of what a duration there may be off by: 2 % at twice
 * the only limit that was measured, nothing at one that was.
 */
const GAIN_OF_DOUBT = 0.25;
const HOUR_MS = 3_600_000;
const MIB_PER_GIB = 1024;

/**
 * Of the candidates the best by the policy: `cost` the cheapest execution, `balanced` the least product of cost and
 * duration, `speed` the cheapest within 3 % of the fastest, `slo` the cheapest that keeps the duration. Of equals the smaller;
 * what there is stays where more is better by too little to be sure of it.
 */
export function chooseCpu(question: CpuQuestion): CpuChoice {
  const candidates = question.candidatesMilli.map((cpuMilli) => candidateAt(question, cpuMilli));
  const allowedMs = allowedDurationMs(question, candidates);
  const allowed = candidates.filter(({ promisedMs }) => promisedMs <= allowedMs);
  const fastest = candidates.reduce((best, one) => (one.durationMs < best.durationMs ? one : best));
  const first = allowed[0] ?? fastest;
  const best = allowed.reduce((best, one) => (one.score < best.score * (1 - 1e-9) ? one : best), first);
  const now = allowed.find(({ cpuMilli }) => cpuMilli === question.nowCpuMilli);
  const isHardlyBetter =
    now !== undefined && best.score > now.score * (1 - GAIN_OF_DOUBT * doubtAt(question.errors, best.cpuMilli));
  return isHardlyBetter && best.cpuMilli > now.cpuMilli && !question.isHopeful ? now : best;
}

/** `promisedMs`: the duration by which a promise is judged. */
type Candidate = CpuChoice & { readonly promisedMs: number };

function candidateAt(question: CpuQuestion, cpuMilli: number): Candidate {
  const { demand, policy, prices, memoryMiBAt } = question;
  const factor = factorAt(question, cpuMilli);
  const durationMs = durationMsAt(demand, cpuMilli) * factor;
  const costUsd = (usdPerHourOf(prices, { cpuMilli, memoryMiB: memoryMiBAt(cpuMilli) }) * durationMs) / HOUR_MS;
  const score = policy === "balanced" ? costUsd * durationMs : costUsd;
  const promisedMs = durationMsAt(promised(question), cpuMilli) * factor;
  return { cpuMilli, durationMs, costUsd, score, promisedMs };
}

/** How much longer than `durationMsAt` says an execution takes. */
function factorAt({ errors, isHopeful }: CpuQuestion, cpuMilli: number): number {
  const factor = errorFactorAt(errors, cpuMilli);
  return isHopeful ? factor * Math.exp(-doubtAt(errors, cpuMilli)) : factor;
}

function promised({ demand, policy }: CpuQuestion): CpuDemand {
  return policy === "slo" ? cautious(demand) : demand;
}

export function usdPerHourOf(
  { vcpuUsdPerHour, gibUsdPerHour }: UnitPrices,
  { cpuMilli, memoryMiB }: ContainerSize,
): number {
  return (vcpuUsdPerHour * cpuMilli) / 1000 + (gibUsdPerHour * memoryMiB) / MIB_PER_GIB;
}

function allowedDurationMs(question: CpuQuestion, candidates: readonly Candidate[]): number {
  const { errors, policy, sloMs, requestedCpuMilli } = question;
  if (policy === "speed") return Math.min(...candidates.map(({ promisedMs }) => promisedMs)) * (1 + SPEED_SLACK);
  if (policy !== "slo") return Number.POSITIVE_INFINITY;
  const requestedMs = durationMsAt(promised(question), requestedCpuMilli) * errorFactorAt(errors, requestedCpuMilli);
  return (sloMs ?? requestedMs * (1 + SLO_SLACK)) * (1 - PROMISE_SPARE);
}
