import type { DescriptorWatch } from "./descriptor-watch.ts";

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
  /** The quota kept its threads from running so long since the last reading, added up over the processors. */
  readonly throttledUs: number;
  /** Highest memory in use, without file cache that the kernel would give back on demand. */
  readonly memoryPeakBytes: number;
  /** File cache held when it was last looked at: after each change of the peak, and each time the limit was in the way. */
  readonly cacheBytes: number;
  /**
   * Something in it waited for memory so long, since the last reading. Version 2: the kernel's own figure, undefined
   * where it keeps none. Version 1: an estimate, see docs/design/0014-memory-in-the-instance.md.
   */
  readonly memoryStallUs: number | undefined;
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

  /**
   * Hears each time that its use, file cache counted in, passes so many MiB, either way.
   * @returns stop; undefined where the kernel has no such event (version 2).
   */
  watchUsage(watch: DescriptorWatch, atMiB: number, onEvent: () => void): (() => void) | undefined;
  /** Hears, among others, that the kernel is about to kill in the group because its own limit is reached. @returns stop; undefined where it cannot. */
  watchKills(watch: DescriptorWatch, onEvent: () => void): (() => void) | undefined;
  /** Part of the last ten seconds in which something in it waited for memory. undefined: the kernel cannot tell. */
  memoryStallShare(): number | undefined;

  /**
   * Hears that the group comes near its memory limit, before the kernel kills in it. Nothing is heard before `arm`.
   * @returns undefined where the kernel cannot tell.
   */
  guardMemory(watch: DescriptorWatch, onEvent: () => void): MemoryGuard | undefined;

  /** Opens what the calls below use again and again, so that they cost one system call each. */
  openMeter(): CgroupMeter;
};

/** One per group; to be closed before the group is removed. */
export type MemoryGuard = {
  /**
   * An event is told when the group's use rises to `nearMiB`, file cache counted in; `look` says what is behind it. At the
   * limit itself processes wait instead of being killed (version 1), or are slowed down on the way to it (version 2).
   */
  arm(limitMiB: number, nearMiB: number): void;
  /** At the limit the kernel kills again, also what waits now. */
  disarm(): void;
  look(): {
    /** Without file cache. */
    readonly heldBytes: number;
    /** Something waits at the limit, or is slowed down on the way to it, and the kernel found nothing to give back. */
    readonly isStuck: boolean;
  };
  close(): void;
};

/** What a group is limited to while it is measured. */
export type MeterLimits = { readonly memoryLimitMiB: number; readonly cpuMilli: number };

export type CgroupMeter = {
  freeze(): void;
  thaw(): void;
  beginUsage(): void;
  readUsage(limits: MeterLimits): CgroupUsage;
  /** Processes that the kernel killed since the group was made because memory was used up, its own or that of a group above. */
  oomKills(): number;
  /** Whether it was its own limit that was reached. */
  hasReachedLimit(limitMiB: number): boolean;
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
