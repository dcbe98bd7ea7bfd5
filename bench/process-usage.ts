import { readFileSync } from "node:fs";

/** Of the clock that `/proc/PID/stat` counts in, as Linux always reports it to programs. */
const TICKS_PER_SECOND = 100;
const KIBIBYTES_PER_MEBIBYTE = 1024;

/** Memory of processes, in MiB. */
export type MemoryUsage = {
  /** Pages they have in memory, those shared with others counted fully. */
  readonly rssMiB: number;
  /** The same with shared pages divided by the number of those who share them. */
  readonly pssMiB: number;
  /** What would be free if they ended. */
  readonly ownMiB: number;
};

export function memoryOf(pids: readonly number[]): MemoryUsage {
  const texts = pids.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  const mebibytes = (...fields: string[]) =>
    texts.reduce((total, text) => total + fields.reduce((kib, field) => kib + fieldKiB(text, field), 0), 0) /
    KIBIBYTES_PER_MEBIBYTE;
  return { rssMiB: mebibytes("Rss"), pssMiB: mebibytes("Pss"), ownMiB: mebibytes("Private_Clean", "Private_Dirty") };
}

function fieldKiB(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

/** CPU time of processes so far, user and system, in steps of 10 ms each. */
export function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    // The second field is the program's name in brackets, which may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return total + ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
  }, 0);
}
