import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Cgroup,
  type CgroupLimits,
  type CgroupMeter,
  type CgroupTotals,
  CPU_PERIOD_US,
  cpuQuotaUs,
  type MemoryGuard,
  type MeterLimits,
} from "./cgroup.ts";
import { childGroups, killProcesses, makeGroup, processIdsBelow, removeGroup } from "./cgroup-tree.ts";
import { CgroupUsageReader, FILE_CACHE_KEYS, readTotals } from "./cgroup-usage.ts";
import type { DescriptorWatch } from "./descriptor-watch.ts";
import { KernelFile } from "./kernel-file.ts";
import { makeEventFd, pageBytes } from "./libc.ts";

/** Controllers that we use; a host may mount several in one hierarchy (`cpu,cpuacct`). */
export const CONTROLLERS_V1 = ["memory", "cpu", "cpuacct", "pids", "freezer"] as const;
type Controller = (typeof CONTROLLERS_V1)[number];

export type HierarchiesV1 = {
  /** Mount point of each controller's hierarchy. */
  readonly controllers: Readonly<Record<Controller, string>>;
  /** Every mounted hierarchy, also those that only the container runtime makes groups in. */
  readonly all: readonly string[];
};

const ZERO = Buffer.from("0");
const FROZEN = Buffer.from("FROZEN");
const THAWED = Buffer.from("THAWED");
const MEBIBYTE = 1024 * 1024;
/** Both limits would be hit at once, and how often that happened is told of the one without swap only. */
const SWAP_BYTES = MEBIBYTE;

/**
 * Version 1 counts buffers of TCP sockets apart from memory, and only in groups that limit them. A
 * sixteenth: all groups together then stay below what the kernel gives TCP on the whole host
 * (tcp_mem, an eleventh of memory). The least is what keeps transfers of some MB fast. Over the
 * limit the kernel still grants each connection a packet or two: 450 stalled ones held 83 MiB, not 1600.
 */
const TCP_MEMORY_SHARE = 1 / 16;
const TCP_MEMORY_BYTES_MIN = 16 * MEBIBYTE;

/** A group of cgroup version 1: a folder of the same path in several hierarchies. */
export class CgroupV1 implements Cgroup {
  readonly path: string;
  readonly #hierarchies: HierarchiesV1;

  constructor(hierarchies: HierarchiesV1, path: string) {
    this.#hierarchies = hierarchies;
    this.path = path;
  }

  create(): void {
    for (const controller of CONTROLLERS_V1) makeGroup(this.#directory(controller));
  }

  setLimits(limits: CgroupLimits): void {
    if (limits.memoryMiB !== undefined) {
      this.#limitMemory(limits.memoryMiB * MEBIBYTE);
      this.#limitTcpMemory(limits.memoryMiB * MEBIBYTE);
    }
    if (limits.cpuMilli !== undefined) this.#limitCpu(cpuQuotaUs(limits.cpuMilli));
    if (limits.cpuWeight !== undefined) this.#write("cpu", "cpu.shares", sharesOf(limits.cpuWeight));
    if (limits.pidsMax !== undefined) this.#write("pids", "pids.max", limits.pidsMax);
  }

  addProcess(pid: number): void {
    for (const controller of CONTROLLERS_V1) this.#write(controller, "cgroup.procs", pid);
  }

  processIds(): number[] {
    return processIdsBelow(this.#directory("pids"));
  }

  /** A frozen process takes its kill when it thaws. */
  killAll(): void {
    killProcesses(this.processIds());
    this.#thawBelow(this.#directory("freezer"));
  }

  remove(): boolean {
    return this.#hierarchies.all.map((root) => removeGroup(join(root, this.path))).every(Boolean);
  }

  children(): string[] {
    return childGroups(this.#directory("memory"));
  }

  memoryUsageBytes(): number {
    return Number(readFileSync(join(this.#directory("memory"), "memory.usage_in_bytes"), "utf8"));
  }

  totals(): CgroupTotals {
    return readTotals(1, {
      cpu: join(this.#directory("cpuacct"), "cpuacct.usage"),
      memory: join(this.#directory("memory"), "memory.usage_in_bytes"),
      stat: join(this.#directory("memory"), "memory.stat"),
    });
  }

  watchUsage(watch: DescriptorWatch, atMiB: number, onEvent: () => void): (() => void) | undefined {
    return this.#subscribe(watch, "memory.usage_in_bytes", String(atMiB * MEBIBYTE), onEvent);
  }

  watchKills(watch: DescriptorWatch, onEvent: () => void): (() => void) | undefined {
    return this.#subscribe(watch, "memory.oom_control", "", onEvent);
  }

  memoryStallShare(): undefined {}

  guardMemory(watch: DescriptorWatch, onEvent: () => void): MemoryGuard | undefined {
    const directory = this.#directory("memory");
    if (!existsSync(join(directory, EVENT_CONTROL))) return undefined;
    return new GuardV1({
      watchUsage: (atMiB) => this.watchUsage(watch, atMiB, onEvent),
      watchKills: () => this.watchKills(watch, onEvent),
      heldBytes: () => this.totals().memoryBytes,
      oomControlPath: join(directory, "memory.oom_control"),
    });
  }

  openMeter(): CgroupMeter {
    return new MeterV1((controller) => this.#directory(controller));
  }

  #subscribe(watch: DescriptorWatch, file: string, argument: string, onEvent: () => void): (() => void) | undefined {
    const control = join(this.#directory("memory"), EVENT_CONTROL);
    if (!existsSync(control)) return undefined;
    const fileFd = openSync(join(this.#directory("memory"), file), "r");
    const eventFd = makeEventFd();
    try {
      writeFileSync(control, `${eventFd} ${fileFd} ${argument}`);
    } catch (error) {
      closeSync(eventFd);
      throw error;
    } finally {
      closeSync(fileFd);
    }
    const stop = watch.watch(eventFd, "raised", onEvent);
    return () => {
      stop();
      closeSync(eventFd); // Ends the kernel's side as well.
    };
  }

  /** The limit with swap is never below the one without: the order depends on the direction. */
  #limitMemory(bytes: number): void {
    const withSwap = join(this.#directory("memory"), "memory.memsw.limit_in_bytes");
    const countsSwap = existsSync(withSwap);
    const bytesWithSwap = bytes + SWAP_BYTES;
    const isLarger = countsSwap && bytesWithSwap > Number(readFileSync(withSwap, "utf8"));
    if (isLarger) writeFileSync(withSwap, String(bytesWithSwap));
    this.#write("memory", "memory.limit_in_bytes", bytes);
    if (countsSwap && !isLarger) writeFileSync(withSwap, String(bytesWithSwap));
  }

  #limitTcpMemory(memoryBytes: number): void {
    const limit = join(this.#directory("memory"), "memory.kmem.tcp.limit_in_bytes");
    const bytes = Math.max(TCP_MEMORY_BYTES_MIN, Math.floor(memoryBytes * TCP_MEMORY_SHARE));
    if (existsSync(limit)) writeFileSync(limit, String(bytes)); // Not every kernel is built with it.
  }

  /** What an idle period left over may be used in the next one, where the kernel can (5.14): never more than one quota. */
  #limitCpu(quotaUs: number): void {
    const canBurst = existsSync(join(this.#directory("cpu"), "cpu.cfs_burst_us"));
    if (canBurst) this.#write("cpu", "cpu.cfs_burst_us", 0); // It may not be above the quota at any moment.
    this.#write("cpu", "cpu.cfs_period_us", CPU_PERIOD_US);
    this.#write("cpu", "cpu.cfs_quota_us", quotaUs);
    if (canBurst) this.#write("cpu", "cpu.cfs_burst_us", quotaUs);
  }

  #thawBelow(directory: string): void {
    for (const child of childGroups(directory)) this.#thawBelow(join(directory, child));
    const state = join(directory, "freezer.state");
    if (existsSync(state)) writeFileSync(state, THAWED);
  }

  #directory(controller: Controller): string {
    return join(this.#hierarchies.controllers[controller], this.path);
  }

  #write(controller: Controller, file: string, value: number): void {
    writeFileSync(join(this.#directory(controller), file), String(value));
  }
}

/** Whoever wants to hear of a memory file of the group is named here. */
const EVENT_CONTROL = "cgroup.event_control";

type GuardParts = {
  watchUsage(atMiB: number): (() => void) | undefined;
  watchKills(): (() => void) | undefined;
  heldBytes(): number;
  readonly oomControlPath: string;
};

/** Processes can wait at the limit because the group's killer is off (`oom_kill_disable`). */
class GuardV1 implements MemoryGuard {
  readonly #parts: GuardParts;
  #stopNear: (() => void) | undefined;
  #stopStuck: (() => void) | undefined;

  constructor(parts: GuardParts) {
    this.#parts = parts;
  }

  arm(_limitMiB: number, nearMiB: number): void {
    this.#stopNear?.();
    this.#stopNear = this.#parts.watchUsage(nearMiB);
    this.#stopStuck ??= this.#parts.watchKills();
    // Only when there is somebody to hear of it.
    writeFileSync(this.#parts.oomControlPath, "1");
  }

  disarm(): void {
    writeFileSync(this.#parts.oomControlPath, "0");
  }

  look() {
    const isStuck = /^under_oom 1$/m.test(readFileSync(this.#parts.oomControlPath, "utf8"));
    return { heldBytes: this.#parts.heldBytes(), isStuck };
  }

  close(): void {
    this.#stopNear?.();
    this.#stopStuck?.();
  }
}

/** Version 1 counts 1,024 where version 2 counts 100, and takes no less than 2. */
function sharesOf(cpuWeight: number): number {
  return Math.max(2, Math.round((cpuWeight * 1024) / 100));
}

/** Nanoseconds, as version 1 counts time. */
const NS_PER_US = 1000;
/**
 * What it costs to run into the limit once, and to read a page again that the limit had driven out. Measured against the
 * kernel's own pressure figures: 2.8 to 5.3 µs a time.
 */
const LIMIT_HIT_US = 4;
const MAJOR_FAULT_US = 100;

class MeterV1 implements CgroupMeter {
  readonly #freezer: KernelFile;
  readonly #peak: KernelFile;
  readonly #oom: KernelFile;
  readonly #memory: MemoryStatV1;
  readonly #others: readonly KernelFile[];
  readonly #usage: CgroupUsageReader;

  constructor(directory: (controller: Controller) => string) {
    const open = (controller: Controller, name: string) => new KernelFile(join(directory(controller), name), "r");
    this.#freezer = new KernelFile(join(directory("freezer"), "freezer.state"), "w");
    this.#peak = new KernelFile(join(directory("memory"), "memory.max_usage_in_bytes"), "r+");
    this.#oom = open("memory", "memory.oom_control");
    const [usage, quota] = [open("cpuacct", "cpuacct.usage"), open("cpu", "cpu.stat")];
    const hits = open("memory", "memory.failcnt");
    this.#memory = new MemoryStatV1(directory("memory"));
    this.#others = [usage, quota, hits];
    this.#usage = new CgroupUsageReader({
      cpuUs: () => Math.round(usage.readNumber() / NS_PER_US),
      isThrottledDear: true,
      throttledUs: () => Math.round(quota.readNumberAfter("throttled_time ") / NS_PER_US),
      peak: this.#peak,
      fileCacheBytes: (isAtLimit) => this.#memory.readCacheBytes(isAtLimit),
      trouble: (isLimitNear) => (isLimitNear ? hits.readNumber() : undefined),
      stallUs: (limitHits) =>
        limitHits === 0 ? 0 : limitHits * LIMIT_HIT_US + this.#memory.newMajorFaults * MAJOR_FAULT_US,
    });
  }

  freeze(): void {
    this.#freezer.write(FROZEN);
  }

  thaw(): void {
    this.#freezer.write(THAWED);
  }

  beginUsage(): void {
    this.#peak.write(ZERO);
    this.#usage.begin();
  }

  readUsage(limits: MeterLimits) {
    return this.#usage.read(limits);
  }

  oomKills(): number {
    return this.#oom.readNumberAfter("oom_kill ");
  }

  hasReachedLimit(limitMiB: number): boolean {
    return this.#peak.readNumber() > (limitMiB - 1) * MEBIBYTE;
  }

  close(): void {
    for (const file of [this.#freezer, this.#peak, this.#oom, this.#memory, ...this.#others]) file.close();
  }
}

/**
 * File cache and major faults. memory.stat tells both; the cache alone is also in memory.numa_stat, of a quarter as many lines,
 * which a kernel for one node may lack.
 */
class MemoryStatV1 {
  readonly #stat: KernelFile;
  readonly #nodes: KernelFile | undefined;
  /** As of the last reading; undefined: that did not look, so what came in between may be of earlier executions. */
  #majorFaults: number | undefined;
  #newMajorFaults = 0;

  constructor(directory: string) {
    this.#stat = new KernelFile(join(directory, "memory.stat"), "r");
    const nodes = join(directory, "memory.numa_stat");
    if (existsSync(nodes)) this.#nodes = new KernelFile(nodes, "r");
  }

  /** Between the last two readings, if both looked. */
  get newMajorFaults(): number {
    return this.#newMajorFaults;
  }

  readCacheBytes(isAtLimit: boolean): number {
    this.#newMajorFaults = 0;
    if (!isAtLimit && this.#nodes !== undefined) {
      this.#majorFaults = undefined;
      return this.#nodes.readNumberAfter("hierarchical_file=") * pageBytes();
    }
    const [inactiveBytes, activeBytes, majorFaults] = this.#stat.readNumbersAfter([
      ...FILE_CACHE_KEYS[1],
      "total_pgmajfault ",
    ]);
    if (this.#majorFaults !== undefined) this.#newMajorFaults = majorFaults - this.#majorFaults;
    this.#majorFaults = majorFaults;
    return inactiveBytes + activeBytes;
  }

  close(): void {
    this.#stat.close();
    this.#nodes?.close();
  }
}
