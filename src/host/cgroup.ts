/** What a group may take. Absent: as it was. */
export type CgroupLimits = {
  readonly memoryMiB?: number;
  readonly cpuMilli?: number;
  /** Share of a contended processor against groups beside it, which have 100 when nothing is said. */
  readonly cpuWeight?: number;
  readonly pidsMax?: number;
};

/** What a group used since `beginUsage`. */
export type CgroupUsage = {
  readonly cpuUs: number;
  /** Highest memory in use, without file cache that the kernel would give back on demand. */
  readonly memoryPeakBytes: number;
};

/** What a group with all below it holds now, and has used since it was made. */
export type CgroupTotals = {
  readonly cpuUs: number;
  /** Without file cache, which the kernel gives back on demand: what is free again when the group ends. */
  readonly memoryBytes: number;
};

/**
 * One control group, over all hierarchies of the host. Synchronous: its files live in memory.
 * Methods throw the file system's errors, with the file's name.
 */
export type Cgroup = {
  /** `/hearth-ab12/i-1`, relative to every hierarchy's root. */
  readonly path: string;

  /** Makes the group and those above it. */
  create(): void;
  setLimits(limits: CgroupLimits): void;
  addProcess(pid: number): void;
  /** Process ids in this group and those below it, as this process's pid namespace numbers them. */
  processIds(): number[];
  /** Kills everything in this group and below, frozen or not. Forks may escape one call: repeat until empty. */
  killAll(): void;
  /** Removes the group and those below. @returns false while something is in it. */
  remove(): boolean;
  /** Names of the groups directly below. */
  children(): string[];
  memoryUsageBytes(): number;
  /** All 0 when there is no such group. */
  totals(): CgroupTotals;

  /** Opens what the calls below use again and again, so that they cost one system call each. */
  openMeter(): CgroupMeter;
};

export type CgroupMeter = {
  freeze(): void;
  thaw(): void;
  beginUsage(): void;
  readUsage(): CgroupUsage;
  /** Processes that the kernel killed since the group was made because its memory was used up. */
  oomKills(): number;
  close(): void;
};

/** CPU is metered out in slices of this length, as container platforms commonly do. */
export const CPU_PERIOD_US = 100_000;
/** The kernel takes no quota below 1 ms. */
const CPU_QUOTA_US_MIN = 1000;

/** CPU time per period for a share of a vCPU. */
export function cpuQuotaUs(cpuMilli: number): number {
  return Math.max(CPU_QUOTA_US_MIN, Math.round((cpuMilli * CPU_PERIOD_US) / 1000));
}
