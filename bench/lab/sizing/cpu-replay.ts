import type { SizingPolicy } from "../../../src/model/sizing.ts";
import { DEFAULT_SIZING } from "../../../src/model/sizing.ts";
import type { Random } from "../../../src/simulator/random.ts";
import { type CpuCurve, measuredMs } from "./cpu-curves.ts";
import { fittedMs } from "./curve-fit.ts";

/** A function that was deployed with so much CPU. */
export type CpuCase = { readonly curve: CpuCurve; readonly requestedMilli: number };

/** What a rule ended with. */
export type CpuResult = {
  readonly cpuMilli: number;
  /** Executions that were made only to measure. */
  readonly synthetic: number;
  /** CPU of each execution until it decided, live or synthetic, in order. */
  readonly tried: readonly number[];
};

export type CpuRule = {
  readonly name: string;
  readonly isOurs: boolean;
  readonly run: (of: CpuCase, policy: SizingPolicy, random: Random) => CpuResult;
};

/** The grid on which the best is sought. */
const GRID_STEP = 1.01;

/** Each curve twice: deployed with the most CPU that was measured, and with about one CPU. */
export function casesOf(curves: readonly CpuCurve[]): CpuCase[] {
  return curves.flatMap((curve) => {
    const milli = curve.levels.map(({ cpuMilli }) => cpuMilli);
    const near = milli.reduce((best, one) => (Math.abs(one - 1000) < Math.abs(best - 1000) ? one : best));
    return [...new Set([Math.max(...milli), near])].map((requestedMilli) => ({ curve, requestedMilli }));
  });
}

/** What an execution costs and takes in truth. */
export function truthAt({ curve }: CpuCase, cpuMilli: number): { durationMs: number; costUsd: number } {
  const durationMs = measuredMs(curve, cpuMilli);
  return { durationMs, costUsd: costUsd(durationMs, cpuMilli, curve.memoryMiB) };
}

export function costUsd(durationMs: number, cpuMilli: number, memoryMiB: number): number {
  const { vcpuUsdPerHour, gibUsdPerHour } = DEFAULT_SIZING.prices;
  return (durationMs * ((vcpuUsdPerHour * cpuMilli) / 1000 + (gibUsdPerHour * memoryMiB) / 1024)) / 3_600_000;
}

export type Value = { readonly cpuMilli: number; readonly durationMs: number; readonly costUsd: number };

/** The best by the policy among values, as everyone is judged and as those without one of their own choose. */
export function bestOf(values: readonly Value[], policy: SizingPolicy, requestedMs: number): Value {
  const fastestMs = Math.min(...values.map(({ durationMs }) => durationMs));
  const allowedMs =
    policy === "speed" ? fastestMs * 1.03 : policy === "slo" ? requestedMs * 1.1 : Number.POSITIVE_INFINITY;
  const allowed = values.filter(({ durationMs }) => durationMs <= allowedMs);
  const score = (value: Value) => scoreOf(value, policy);
  return (allowed.length > 0 ? allowed : values).reduce((best, one) => (score(one) < score(best) ? one : best));
}

/** Of a rule's choice against the best there is; what breaks the policy's promise on duration counts as that much worse. */
export function regretOf(of: CpuCase, policy: SizingPolicy, cpuMilli: number): number {
  const levels = of.curve.levels.map((level) => level.cpuMilli);
  const grid = [];
  for (let milli = Math.min(...levels); milli < Math.max(...levels); milli *= GRID_STEP) grid.push(milli);
  const values = [...grid, ...levels].map((milli) => ({ cpuMilli: milli, ...truthAt(of, milli) }));
  const requestedMs = truthAt(of, of.requestedMilli).durationMs;
  const best = bestOf(values, policy, requestedMs);
  const chosen = { cpuMilli, ...truthAt(of, cpuMilli) };
  const fastestMs = Math.min(...values.map(({ durationMs }) => durationMs));
  const allowedMs =
    policy === "speed" ? fastestMs * 1.03 : policy === "slo" ? requestedMs * 1.1 : Number.POSITIVE_INFINITY;
  const tooSlow = Math.max(0, chosen.durationMs / allowedMs - 1);
  return Math.max(0, scoreOf(chosen, policy) / scoreOf(best, policy) - 1) + tooSlow;
}

function scoreOf({ costUsd: cost, durationMs }: Value, policy: SizingPolicy): number {
  return policy === "balanced" ? cost * durationMs : cost;
}

/** One execution at a limit. The traces tell durations only: CPU time and parallelism are those of the curve's fit. */
export function drawExecution({ curve }: CpuCase, cpuMilli: number, random: Random) {
  const nearest = curve.levels.reduce((best, level) =>
    Math.abs(level.cpuMilli - cpuMilli) < Math.abs(best.cpuMilli - cpuMilli) ? level : best,
  );
  const noise = random.pick(nearest.noise);
  const durationMs = measuredMs(curve, cpuMilli);
  return {
    wallMs: durationMs * noise,
    // A cgroup's CPU time does not depend on the limit; it varies less than the duration does.
    cpuMs: curve.fit.cpuMs * (1 + (noise - 1) / 2),
    throttledMs: throttledMs(curve, cpuMilli) * noise,
  };
}

/** What it takes longer than where the limit is no hindrance. */
export function throttledMs(curve: CpuCurve, cpuMilli: number): number {
  const bend = curve.fit.parallelism * 1000;
  if (cpuMilli >= bend) return 0;
  const free = curve.levels.filter((level) => level.cpuMilli >= bend).map((level) => level.durationMs);
  const freeMs = free.length > 0 ? free.reduce((sum, ms) => sum + ms, 0) / free.length : fittedMs(curve.fit, bend);
  return Math.max(0, measuredMs(curve, cpuMilli) - freeMs);
}
