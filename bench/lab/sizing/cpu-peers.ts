import type { Random } from "../../../src/simulator/random.ts";
import { quantile, sum } from "../../quantile.ts";
import { bestOf, type CpuCase, type CpuRule, costUsd, drawExecution, truthAt } from "./cpu-replay.ts";
import { fitExponential } from "./curve-fit.ts";

/** What was asked for. */
export const requestedCpu: CpuRule = {
  name: "requested CPU",
  isOurs: false,
  run: ({ requestedMilli }) => ({ cpuMilli: requestedMilli, synthetic: 0, tried: [] }),
};

const TUNING_LEVELS_MAX = 7;
const TUNING_INVOCATIONS = 50;

/** AWS Lambda Power Tuning: 7 sizes × 50 invocations, mean without the upper and lower fifth, the best of them. */
export const powerTuning: CpuRule = {
  name: "Power Tuning, 7 × 50",
  isOurs: false,
  run(of, policy, random) {
    const all = of.curve.levels.map(({ cpuMilli }) => cpuMilli);
    const count = Math.min(TUNING_LEVELS_MAX, all.length);
    const sizes = Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]!);
    const values = sizes.map((cpuMilli) => {
      const durations = Array.from({ length: TUNING_INVOCATIONS }, () =>
        Math.ceil(drawExecution(of, cpuMilli, random).wallMs),
      );
      const durationMs = trimmedMean(durations);
      return { cpuMilli, durationMs, costUsd: costUsd(durationMs, cpuMilli, of.curve.memoryMiB) };
    });
    const { cpuMilli } = bestOf(values, policy, truthAt(of, of.requestedMilli).durationMs);
    const tried = sizes.flatMap((milli) => Array<number>(TUNING_INVOCATIONS).fill(milli));
    return { cpuMilli, synthetic: tried.length, tried };
  },
};

/** Parrotfish: samples where its fitted exponential is cheap and little is known, until it knows enough. */
export const parrotfish: CpuRule = {
  name: "Parrotfish",
  isOurs: false,
  run(of, policy, random) {
    const milli = of.curve.levels.map(({ cpuMilli }) => cpuMilli);
    const [low, high] = [Math.min(...milli), Math.max(...milli)];
    const grid = Array.from({ length: 60 }, (_, i) => low + ((high - low) * i) / 59);
    const points: { cpuMilli: number; durationMs: number }[] = [];
    const tried: number[] = [];
    const sample = (cpuMilli: number) => {
      const durations = sampleUntilStable(of, cpuMilli, random);
      for (const durationMs of durations) points.push({ cpuMilli, durationMs });
      tried.push(...durations.map(() => cpuMilli));
    };
    for (const cpuMilli of [low, low + (high - low) / 3, high]) sample(cpuMilli);
    let fitted = fitExponential(points);
    for (const known = () => new Set(tried); known().size < 20; ) {
      const knowledge = (at: number) =>
        sum([...known()].map((other) => Math.exp(-(((at - other) * PER_MEMORY) ** 2) / (2 * 200 ** 2))));
      const next = grid.reduce((best, at) =>
        fitted(at) * at * (1 + knowledge(at)) < fitted(best) * best * (1 + knowledge(best)) ? at : best,
      );
      if (knowledge(next) > 2 || known().has(next)) break;
      sample(next);
      fitted = fitExponential(points);
    }
    const values = grid.map((cpuMilli) => ({
      cpuMilli,
      durationMs: fitted(cpuMilli),
      costUsd: costUsd(fitted(cpuMilli), cpuMilli, of.curve.memoryMiB),
    }));
    const { cpuMilli } = bestOf(values, policy, fitted(of.requestedMilli));
    return { cpuMilli, synthetic: tried.length, tried };
  },
};

/** CPU-TAMS: one run at the largest size; as much CPU as it used on average. */
export const cpuTams: CpuRule = {
  name: "CPU-TAMS",
  isOurs: false,
  run(of, _policy, random) {
    const milli = of.curve.levels.map(({ cpuMilli }) => cpuMilli);
    const [low, high] = [Math.min(...milli), Math.max(...milli)];
    const { wallMs, cpuMs } = drawExecution(of, high, random);
    return { cpuMilli: Math.min(high, Math.max(low, (cpuMs / wallMs) * 1000)), synthetic: 1, tried: [high] };
  },
};

/** Its Gaussians are over MB; 1,769 MB are a CPU. */
const PER_MEMORY = 1.769;

function sampleUntilStable(of: CpuCase, cpuMilli: number, random: Random): number[] {
  const durations = [drawExecution(of, cpuMilli, random).wallMs, drawExecution(of, cpuMilli, random).wallMs];
  while (durations.length < 7 && variation(durations) > 0.05)
    durations.push(drawExecution(of, cpuMilli, random).wallMs);
  return durations;
}

function variation(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length) / mean;
}

function trimmedMean(values: readonly number[]): number {
  const [low, high] = [quantile(values, 0.2), quantile(values, 0.8)];
  const kept = values.filter((value) => value >= low && value <= high);
  return sum(kept) / kept.length;
}
