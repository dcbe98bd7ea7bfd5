import { join } from "node:path";
import { median } from "../../quantile.ts";
import { findTraces, readLines } from "../trace-file.ts";
import { type FittedCurve, fitCurve } from "./curve-fit.ts";

/** Measured durations of one function with one input on one kind of machine, at several CPU limits. */
export type CpuCurve = {
  readonly name: string;
  readonly source: string;
  /** MiB with which it ran without failing. */
  readonly memoryMiB: number;
  /** Ascending by CPU. */
  readonly levels: readonly CpuLevel[];
  /** Of all levels; the traces tell no CPU time, so C of this stands for what a cgroup would have counted. */
  readonly fit: FittedCurve;
};

export type CpuLevel = {
  readonly cpuMilli: number;
  /** Median. */
  readonly durationMs: number;
  /** Of single executions to the median. */
  readonly noise: readonly number[];
};

export type CpuCurves = { readonly curves: readonly CpuCurve[]; readonly skipped: readonly string[] };

const LEVELS_MIN = 5;
/** Below it some of these functions thrash; CPU is what is looked at here. */
const BILAL_MEMORY_MIN = 256;

/** @param sizingDir holds `bilal2023` (CPU apart from memory) and `chunkfunc2025` (whole CPUs; only those of AWS are many enough). */
export function readCpuCurves(sizingDir: string): CpuCurves {
  const bilal = readBilal(sizingDir);
  const chunkfunc = readChunkfunc(sizingDir);
  const curves = [...bilal, ...chunkfunc];
  const skipped = [
    ...(bilal.length === 0 ? ["no curves in bilal2023/*.csv"] : []),
    ...(chunkfunc.length === 0 ? ["no curves in chunkfunc2025/*.csv"] : []),
  ];
  return { curves, skipped };
}

/** Straight lines over 1/c between the measured levels; beyond them the outermost. */
export function measuredMs({ levels }: Pick<CpuCurve, "levels">, cpuMilli: number): number {
  const [first, last] = [levels[0]!, levels.at(-1)!];
  if (cpuMilli <= first.cpuMilli) return first.durationMs;
  if (cpuMilli >= last.cpuMilli) return last.durationMs;
  const i = levels.findIndex((level) => level.cpuMilli >= cpuMilli);
  const [low, high] = [levels[i - 1]!, levels[i]!];
  const share = (1 / low.cpuMilli - 1 / cpuMilli) / (1 / low.cpuMilli - 1 / high.cpuMilli);
  return low.durationMs + (high.durationMs - low.durationMs) * share;
}

type Sample = { readonly cpuMilli: number; readonly durationMs: number };

function readBilal(sizingDir: string): CpuCurve[] {
  const groups = new Map<string, Sample[]>();
  for (const row of rowsOf(join(sizingDir, "bilal2023"), "*.csv*")) {
    if (row["status"] !== "200" || Number(row["memMi"]) < BILAL_MEMORY_MIN) continue;
    const name = `${row["benchmark"]} ${row["input"]} on ${row["instance"]}`;
    push(groups, name, { cpuMilli: Number(row["cpuMilli"]), durationMs: Number(row["delay_s"]) * 1000 });
  }
  return [...groups].flatMap(([name, samples]) => curveOf(name, "bilal2023", 512, samples));
}

function readChunkfunc(sizingDir: string): CpuCurve[] {
  const groups = new Map<string, Sample[]>();
  for (const row of rowsOf(join(sizingDir, "chunkfunc2025"), "*.csv*")) {
    if (row["statusCode"] !== "200" || row["kind"] !== "unfilteredResults" || row["platform"] !== "aws") continue;
    const name = `${row["function"]} ${row["inputSizeBytes"]} B`;
    // Near the least memory at which they survive they are slow for want of memory.
    if (Number(row["memoryMiB"]) < 512) continue;
    push(groups, name, { cpuMilli: Number(row["milliCpu"]), durationMs: Number(row["executionTimeMs"]) });
  }
  return [...groups].flatMap(([name, samples]) => curveOf(name, "chunkfunc2025", 1024, samples));
}

function curveOf(name: string, source: string, memoryMiB: number, samples: readonly Sample[]): CpuCurve[] {
  const byLevel = Map.groupBy(
    samples.filter(({ cpuMilli, durationMs }) => cpuMilli > 0 && durationMs > 0),
    ({ cpuMilli }) => cpuMilli,
  );
  if (byLevel.size < LEVELS_MIN) return [];
  const levels = [...byLevel]
    .map(([cpuMilli, ofLevel]) => {
      const durations = ofLevel.map(({ durationMs }) => durationMs);
      const durationMs = median(durations);
      return { cpuMilli, durationMs, noise: durations.map((duration) => duration / durationMs) };
    })
    .sort((a, b) => a.cpuMilli - b.cpuMilli);
  return [{ name, source, memoryMiB, levels, fit: fitCurve(levels) }];
}

function* rowsOf(dir: string, pattern: string): Generator<Record<string, string>> {
  for (const path of findTraces(dir, pattern)) {
    const [head = "", ...lines] = readLines(path);
    const titles = head.split(",").map((title) => title.trim());
    for (const line of lines) {
      const cells = line.split(",");
      yield Object.fromEntries(titles.map((title, i) => [title, cells[i] ?? ""]));
    }
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
