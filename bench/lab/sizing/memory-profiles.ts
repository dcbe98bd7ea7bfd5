import { join } from "node:path";
import { Random } from "../../../src/simulator/random.ts";
import { findTraces, readLines } from "../trace-file.ts";

/** How one function's memory need is spread, as measured: piecewise linear between these points. */
export type MemoryProfile = {
  readonly name: string;
  /** Ascending, from 0 to 1. */
  readonly shares: readonly number[];
  /** MiB at each share; never descending. */
  readonly needsMiB: readonly number[];
};

export type MemoryProfiles = { readonly profiles: readonly MemoryProfile[]; readonly skipped: readonly string[] };

/**
 * Reads `sizing/azure2019/apps_mem*.csv*`: committed memory per application, percentiles in the columns `…_pctN`
 * (Shahrad et al., USENIX ATC 2020). The order of the rows is shuffled by a fixed seed, so that a part of them is a sample.
 */
export function readMemoryProfiles(sizingDir: string): MemoryProfiles {
  const files = findTraces(join(sizingDir, "azure2019"), "apps_mem*.csv*");
  if (files.length === 0) return { profiles: [], skipped: ["no azure2019/apps_mem*.csv: no memory replay"] };
  const skipped: string[] = [];
  const profiles = files.flatMap((path) => {
    const [head = "", ...rows] = readLines(path);
    const columns = percentileColumns(head);
    const read = rows.flatMap((row) => toProfile(row.split(","), columns));
    if (read.length < rows.length) skipped.push(`${rows.length - read.length} rows of ${path.slice(sizingDir.length)}`);
    return read;
  });
  return { profiles: shuffled(profiles, new Random(PROFILE_SEED)), skipped };
}

/** @returns the need that the share of executions stays below. */
export function needAt({ shares, needsMiB }: MemoryProfile, share: number): number {
  let i = 1;
  while (i < shares.length - 1 && (shares[i] as number) < share) i++;
  const [from, to] = [shares[i - 1] as number, shares[i] as number];
  const [low, high] = [needsMiB[i - 1] as number, needsMiB[i] as number];
  return low + ((high - low) * Math.max(0, share - from)) / (to - from);
}

const PROFILE_SEED = 20_190_701;

type Column = { readonly index: number; readonly share: number };

function percentileColumns(head: string): Column[] {
  return head
    .split(",")
    .flatMap((title, index) => {
      const percent = /_pct(\d+)$/.exec(title.trim())?.[1];
      return percent === undefined ? [] : [{ index, share: Number(percent) / 100 }];
    })
    .sort((a, b) => a.share - b.share);
}

function toProfile(cells: readonly string[], columns: readonly Column[]): MemoryProfile[] {
  const needs = columns.map(({ index }) => Number(cells[index]));
  if (needs.length < 2 || needs.some((need) => !(need > 0))) return [];
  // What lies below the first percentile is taken to be there.
  const shares = [0, ...columns.slice(1).map(({ share }) => share)];
  let most = 0;
  const needsMiB = needs.map((need) => {
    most = Math.max(most, need);
    return most;
  });
  return [{ name: cells[1] ?? "", shares, needsMiB }];
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}
