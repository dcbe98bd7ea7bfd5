import { basename } from "node:path";
import { quantile } from "../../quantile.ts";
import { findTraces, readLines } from "../trace-file.ts";

export const STEP_MS = 5000;

/** How many instances one capacity pool could hold, at each step of `STEP_MS`. */
export type CapacityTrace = { readonly name: string; readonly capacity: Float64Array };

/**
 * Traces of running spot instances, one capacity pool each, in any of three forms without a heading: `ms,add|remove,node`;
 * `date, time, running`; `hours,running`. In the second, lines carry an observation forward that a later line may correct: a line
 * is valid until the next one in the file, whatever times stood between.
 */
export function readCapacityTraces(poolDir: string): { traces: CapacityTrace[]; skipped: string[] } {
  const traces: CapacityTrace[] = [];
  const skipped: string[] = [];
  for (const path of findTraces(poolDir, "spot_nodes/**/*.{csv,txt,csv.gz,txt.gz}")) {
    const name = basename(path)
      .replace(/\.(csv|txt)(\.gz)?$/, "")
      .replace(/^bamboo_/, "");
    const changes = readChanges(readLines(path));
    const lastMs = changes.at(-1)?.atMs ?? 0;
    const isUsable = lastMs >= HOUR_MS && lastMs <= YEAR_MS;
    if (!isUsable) skipped.push(`spot trace ${basename(path)}: not understood, or not between an hour and a year long`);
    else traces.push({ name, capacity: sample(changes) });
  }
  if (traces.length === 0) skipped.push("spot: no capacity traces in pool/spot_nodes");
  return { traces, skipped };
}

/** What a pool usually has: half of the time it is less. */
export function usualCapacity({ capacity }: CapacityTrace): number {
  return Math.max(1, quantile(Array.from(capacity), 0.5));
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 366 * 24 * HOUR_MS;
type Change = { readonly atMs: number; readonly count: number };

function readChanges(lines: readonly string[]): Change[] {
  let running = 0;
  const changes: Change[] = [];
  for (const line of lines) {
    const [first = "", second = "", third] = line.split(",").map((part) => part.trim());
    if (second === "add" || second === "remove") {
      running += second === "add" ? 1 : -1;
      push(changes, Number(first), running);
    } else if (third !== undefined) {
      push(changes, Date.parse(`${first}T${second}Z`), Number(third));
    } else {
      push(changes, Number(first) * HOUR_MS, Number(second));
    }
  }
  const [begin] = changes;
  return begin ? changes.map(({ atMs, count }) => ({ atMs: atMs - begin.atMs, count })) : [];
}

function push(changes: Change[], atMs: number, count: number): void {
  if (!Number.isFinite(atMs) || !Number.isFinite(count)) return;
  while ((changes.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) >= atMs) changes.pop();
  changes.push({ atMs, count: Math.max(0, count) });
}

function sample(changes: readonly Change[]): Float64Array {
  const steps = Math.floor((changes.at(-1)?.atMs ?? 0) / STEP_MS) + 1;
  let next = 0;
  return Float64Array.from({ length: steps }, (_, step) => {
    while ((changes[next + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= step * STEP_MS) next++;
    return changes[next]?.count ?? 0;
  });
}
