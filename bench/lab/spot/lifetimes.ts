import { basename } from "node:path";
import { findTraces, readLines } from "../trace-file.ts";

/** How long the instances of one capacity pool (zone and machine type) lived. */
export type Lifetimes = { readonly name: string; readonly lifetimesMs: readonly number[] };

/** Tables with the columns `zone`, `machine_type` and `lifetime_s`; pools with fewer than `COUNT_MIN` instances are left out. */
export function readLifetimes(poolDir: string): { pools: Lifetimes[]; skipped: string[] } {
  const byPool = new Map<string, number[]>();
  const skipped: string[] = [];
  const paths = findTraces(poolDir, "*lifetimes*/**/*.{csv,csv.gz}");
  for (const path of paths) {
    const [heading = "", ...lines] = readLines(path);
    const columns = heading.split(",").map((name) => name.trim());
    const [zone, type, lifetime] = ["zone", "machine_type", "lifetime_s"].map((name) => columns.indexOf(name));
    if (zone === -1 || type === -1 || lifetime === -1) {
      skipped.push(`${basename(path)}: it has not the columns zone, machine_type and lifetime_s`);
      continue;
    }
    for (const cells of lines.map((line) => line.split(","))) {
      const lifetimeMs = Number(cells[lifetime!]) * 1000;
      const name = `${cells[zone!]}/${cells[type!]}`;
      if (lifetimeMs > 0) byPool.set(name, [...(byPool.get(name) ?? []), lifetimeMs]);
    }
  }
  const pools = [...byPool]
    .map(([name, lifetimesMs]) => ({ name, lifetimesMs }))
    .filter(({ lifetimesMs }) => lifetimesMs.length >= COUNT_MIN)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (pools.length === 0) skipped.push("spot: no table of instances' lifetimes");
  return { pools, skipped };
}

const COUNT_MIN = 30;
