import { relative } from "node:path";
import { findTraces, readLines } from "../trace-file.ts";

/** What one region asked of its pool, per minute, from the trace's first minute on. */
export type Withdrawals = { readonly region: string; readonly counts: Float64Array };

/** Tables whose first column is `minute` and each other one a region; rows may be missing, and count as 0. */
export function readWithdrawals(poolDir: string): { regions: Withdrawals[]; skipped: string[] } {
  const regions: Withdrawals[] = [];
  const skipped: string[] = [];
  for (const path of findTraces(poolDir, "{huawei*/**/*.csv*,**/*per_min*.csv*}")) {
    const lines = readLines(path);
    const [first = "", ...names] = (lines[0] ?? "").split(",").map((name) => name.trim());
    if (first !== "minute" || names.length === 0) {
      skipped.push(`${relative(poolDir, path)}: its first line is not "minute,REGION,…"`);
      continue;
    }
    for (const region of readTable(names, lines.slice(1))) {
      const days = region.counts.length / 1440;
      const isKnown = regions.some((other) => other.region === region.region);
      const isUsed = days < DAYS_MIN || region.counts.subarray(DAYS_LEARNT * 1440).some((count) => count > 0);
      if (isKnown) skipped.push(`${relative(poolDir, path)}: region ${region.region} was read from another file`);
      else if (!isUsed) skipped.push(`region ${region.region}: nothing was asked for after day ${DAYS_LEARNT}`);
      else if (days < DAYS_MIN)
        skipped.push(`region ${region.region}: ${days.toFixed(1)} days; ${DAYS_MIN} are needed`);
      else regions.push(region);
    }
  }
  if (regions.length === 0) skipped.push("pool size: no table of withdrawals per minute");
  return { regions, skipped };
}

/** A week to learn from, and something to judge by. */
const DAYS_LEARNT = 7;
const DAYS_MIN = DAYS_LEARNT + 1;
/** Two years; a larger number is no minute. */
const MINUTES_MAX = 2 * 366 * 1440;

function readTable(names: readonly string[], lines: readonly string[]): Withdrawals[] {
  const rows = lines
    .map((line) => line.split(",").map(Number))
    .filter(([minute = -1]) => minute >= 0 && minute < MINUTES_MAX);
  const minutes = rows.reduce((most, [minute = 0]) => Math.max(most, minute + 1), 0);
  return names.map((region, column) => {
    const counts = new Float64Array(minutes);
    for (const row of rows) {
      const count = row[column + 1];
      if (count !== undefined && count > 0) counts[row[0]!] = count;
    }
    return { region, counts };
  });
}
