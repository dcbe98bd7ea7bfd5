import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

/** Where every benchmark leaves its result, one file per name. */
export const RESULTS_DIR = join(import.meta.dirname, "results");

/** The machine that the figures were measured on; a figure without it means nothing. */
export type Machine = {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
};

/** One promised number and what was measured. */
export type Target = {
  /** Stable, `simulator.throughput`; `SPECIFICATION.md` refers to it. */
  readonly id: string;
  /** The promise in a sentence. */
  readonly says: string;
  /** How the measured number must compare with `target`. */
  readonly bound: "atLeast" | "atMost";
  readonly target: number;
  readonly measured: number;
  readonly unit: string;
};

export type MetTarget = Target & { readonly met: boolean };

export type BenchmarkResult = {
  readonly name: string;
  readonly measuredAt: string;
  readonly machine: Machine;
  /** Raw figures of every side, as the benchmark has them. */
  readonly figures: Readonly<Record<string, unknown>>;
  readonly targets: readonly MetTarget[];
};

export function machine(): Machine {
  const processors = cpus();
  return {
    cpuModel: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
  };
}

/**
 * Judges the targets and writes `bench/results/NAME.json`, replacing the benchmark's last result.
 * @returns what was written.
 */
export function writeResult(
  name: string,
  result: { readonly figures: Readonly<Record<string, unknown>>; readonly targets: readonly Target[] },
): BenchmarkResult {
  const written: BenchmarkResult = {
    name,
    measuredAt: new Date().toISOString(),
    machine: machine(),
    figures: result.figures,
    targets: result.targets.map((target) => ({ ...target, met: isMet(target) })),
  };
  mkdirSync(RESULTS_DIR, { recursive: true });
  writeFileSync(join(RESULTS_DIR, `${name}.json`), `${JSON.stringify(written, undefined, 2)}\n`);
  return written;
}

/** A number that could not be measured (NaN) meets nothing. */
function isMet({ bound, target, measured }: Target): boolean {
  return bound === "atLeast" ? measured >= target : measured <= target;
}

/** One line for people: `missed  simulator.throughput  412,000 of ≥ 500,000 invocations/s  …`. */
export function describeTarget({ id, says, bound, target, measured, unit, met }: MetTarget): string {
  const sign = bound === "atLeast" ? "≥" : "≤";
  const [has, wants] = [measured, target].map((n) => n.toLocaleString("en-US", { maximumFractionDigits: 3 }));
  return `${met ? "met   " : "MISSED"}  ${id}: ${has} of ${sign} ${wants} ${unit} (${says})`;
}
