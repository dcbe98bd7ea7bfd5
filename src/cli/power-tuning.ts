import { cpuMilliOf } from "../model/function-version.ts";
import type { UnitPrices } from "../model/sizing.ts";

/** What a sweep chooses for. */
export const TUNING_POLICIES = ["cost", "speed", "balanced"] as const;
export type TuningPolicy = (typeof TUNING_POLICIES)[number];

/** Sizes and calls per size of AWS Lambda Power Tuning, where nothing else is said. */
export const TUNING_SIZES_MIB = [128, 256, 512, 1024, 1536, 2048, 3008] as const;
export const TUNING_INVOCATIONS = 50;

/** Of one size: its durations, or why it is left out. */
export type SizeRun =
  | {
      readonly kind: "ran";
      readonly memoryMiB: number;
      readonly durationsMs: readonly number[];
      readonly memoryUsedMiB: number;
    }
  | { readonly kind: "failed"; readonly memoryMiB: number; readonly after: number; readonly reason: string };

/** A point of the cost/speed curve. */
export type TuningPoint = {
  readonly memoryMiB: number;
  /** Trimmed mean. */
  readonly durationMs: number;
  /** Of one execution. */
  readonly costUsd: number;
  /** The most that an execution took. */
  readonly memoryUsedMiB: number;
};

const TRIMMED_SHARE = 0.2;
const BALANCED_WEIGHT = 0.5;
const HOUR_MS = 3_600_000;
const MIB_PER_GIB = 1024;

/** The rules of AWS Lambda Power Tuning: a trimmed mean, whole milliseconds are paid. @returns ascending; failed sizes are not in it. */
export function tuningCurve(runs: readonly SizeRun[], prices: UnitPrices): TuningPoint[] {
  return runs
    .flatMap((run) => {
      if (run.kind === "failed" || run.durationsMs.length === 0) return [];
      const { memoryMiB, memoryUsedMiB } = run;
      const durationMs = trimmedMean(run.durationsMs);
      return [{ memoryMiB, durationMs, costUsd: costUsd(memoryMiB, durationMs, prices), memoryUsedMiB }];
    })
    .sort((a, b) => a.memoryMiB - b.memoryMiB);
}

/** Without the fastest and the slowest fifth. */
export function trimmedMean(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length * TRIMMED_SHARE);
  const kept = sorted.slice(cut, sorted.length - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/** @returns undefined: every size failed. Of equals the smaller. */
export function chosenPoint(curve: readonly TuningPoint[], policy: TuningPolicy): TuningPoint | undefined {
  const costMax = Math.max(...curve.map((point) => point.costUsd));
  const durationMax = Math.max(...curve.map((point) => point.durationMs));
  const scoreOf = ({ costUsd: cost, durationMs }: TuningPoint) => {
    if (policy === "cost") return cost;
    if (policy === "speed") return durationMs;
    return (BALANCED_WEIGHT * cost) / costMax + ((1 - BALANCED_WEIGHT) * durationMs) / durationMax;
  };
  const [first, ...rest] = curve;
  if (first === undefined) return undefined;
  return rest.reduce((best, point) => (scoreOf(point) < scoreOf(best) ? point : best), first);
}

function costUsd(memoryMiB: number, durationMs: number, { vcpuUsdPerHour, gibUsdPerHour }: UnitPrices): number {
  const usdPerHour = (vcpuUsdPerHour * cpuMilliOf(memoryMiB)) / 1000 + (gibUsdPerHour * memoryMiB) / MIB_PER_GIB;
  return (usdPerHour * Math.ceil(durationMs)) / HOUR_MS;
}
