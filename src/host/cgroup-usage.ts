import { availableParallelism } from "node:os";
import { type CgroupTotals, type CgroupUsage, cpuQuotaUs, type MeterLimits } from "./cgroup.ts";
import { KernelFile } from "./kernel-file.ts";

/** What tells file cache from the rest is dear to read (the kernel sums up all CPUs): only after a change of the peak by so much. */
const PEAK_CHANGE_BYTES = 256 * 1024;

/**
 * The quota is handed to the processors in slices of 5 ms (`sched_cfs_bandwidth_slice_us`), and what another processor holds
 * of it cannot be used: so much may be missing when a thread has to wait for the next period.
 */
const SLICES_US = 5000 * availableParallelism();
const MEBIBYTE = 1024 * 1024;

/** In memory.stat; version 1 tells the group's own pages first, then with those of the groups below. */
export const FILE_CACHE_KEYS = {
  1: ["total_inactive_file ", "total_active_file "],
  2: ["inactive_file ", "active_file "],
} as const;

/** Where a version of control groups keeps its figures, counted since the group was made; a reading is a system call, some 3 µs. */
export type UsageSource = {
  cpuUs(): number;
  /** As of the last `cpuUs`, or later. */
  throttledUs(): number;
  /** It takes a reading of its own: it is asked for only when a quota was used since the last time. */
  readonly isThrottledDear: boolean;
  readonly peak: KernelFile;
  /** @param isAtLimit some limit was in the way since the last reading. */
  fileCacheBytes(isAtLimit: boolean): number;
  /** A number that stands still while no limit is in the way. @param isLimitNear the group's own was nearly reached. */
  trouble(isLimitNear: boolean): number | undefined;
  /** What tasks waited, given how far that number moved; undefined: cannot tell. */
  stallUs(trouble: number): number | undefined;
};

/** Tells the memory peak of an execution apart from file cache, which both cgroup versions count as used. */
export class CgroupUsageReader {
  readonly #source: UsageSource;
  #cpuBeginUs = 0;
  #throttledSeenUs: number;
  /** What it had used when throttled time was last looked at. */
  #cpuAtThrottledUs: number;
  #peakSeenBytes = Number.NEGATIVE_INFINITY;
  #cacheBytes = 0;
  #troubleSeen: number;

  constructor(source: UsageSource) {
    this.#source = source;
    this.#cpuBeginUs = source.cpuUs();
    this.#cpuAtThrottledUs = this.#cpuBeginUs;
    this.#throttledSeenUs = source.throttledUs();
    this.#troubleSeen = source.trouble(true) ?? 0;
  }

  begin(): void {
    this.#cpuBeginUs = this.#source.cpuUs();
  }

  read({ memoryLimitMiB, cpuMilli }: MeterLimits): CgroupUsage {
    const limitBytes = memoryLimitMiB * MEBIBYTE;
    const cpuEndUs = this.#source.cpuUs();
    const throttledUs = this.#readThrottled(cpuEndUs, cpuQuotaUs(cpuMilli));
    const peakBytes = this.#source.peak.readNumber();
    const trouble =
      (this.#source.trouble(peakBytes + PEAK_CHANGE_BYTES >= limitBytes) ?? this.#troubleSeen) - this.#troubleSeen;
    if (trouble > 0 || Math.abs(peakBytes - this.#peakSeenBytes) >= PEAK_CHANGE_BYTES) {
      this.#peakSeenBytes = peakBytes;
      this.#cacheBytes = this.#source.fileCacheBytes(trouble > 0);
    }
    this.#troubleSeen += trouble;
    return {
      cpuUs: Math.max(0, cpuEndUs - this.#cpuBeginUs),
      throttledUs: Math.max(0, throttledUs),
      memoryPeakBytes: Math.max(0, peakBytes - this.#cacheBytes),
      cacheBytes: this.#cacheBytes,
      memoryStallUs: this.#source.stallUs(Math.max(0, trouble)),
    };
  }

  /**
   * @returns throttled time since the last time. Where it is dear it is looked at once a period's quota, less what slices hold, was
   * used: of executions that follow each other closely a later one may be told what an earlier one waited.
   */
  #readThrottled(cpuUs: number, quotaUs: number): number {
    if (this.#source.isThrottledDear && cpuUs - this.#cpuAtThrottledUs < quotaUs - SLICES_US) return 0;
    const sinceUs = this.#source.throttledUs() - this.#throttledSeenUs;
    this.#cpuAtThrottledUs = cpuUs;
    this.#throttledSeenUs += sinceUs;
    return sinceUs;
  }
}

const NOTHING: CgroupTotals = { cpuUs: 0, memoryBytes: 0 };

/** @param files paths; cpu: `cpuacct.usage` (ns), or `cpu.stat`, whose first number is in µs. */
export function readTotals(version: 1 | 2, files: { cpu: string; memory: string; stat: string }): CgroupTotals {
  const read = <T>(path: string, how: (file: KernelFile) => T): T => {
    const file = new KernelFile(path, "r");
    try {
      return how(file);
    } finally {
      file.close();
    }
  };
  try {
    const cpu = read(files.cpu, (file) => file.readNumber());
    const cacheBytes = read(files.stat, (file) => file.readSum(FILE_CACHE_KEYS[version]));
    const memoryBytes = read(files.memory, (file) => file.readNumber()) - cacheBytes;
    return { cpuUs: version === 1 ? Math.round(cpu / 1000) : cpu, memoryBytes: Math.max(0, memoryBytes) };
  } catch (error) {
    // ENODEV: the group was removed while its file was read.
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return NOTHING;
    throw error;
  }
}
