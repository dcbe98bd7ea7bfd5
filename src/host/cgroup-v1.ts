import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Cgroup,
  type CgroupLimits,
  type CgroupMeter,
  type CgroupTotals,
  CPU_PERIOD_US,
  cpuQuotaUs,
} from "./cgroup.ts";
import { childGroups, killProcesses, makeGroup, processIdsBelow, removeGroup } from "./cgroup-tree.ts";
import { CgroupUsageReader, readTotals } from "./cgroup-usage.ts";
import { KernelFile } from "./kernel-file.ts";

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

  openMeter(): CgroupMeter {
    return new MeterV1((controller) => this.#directory(controller));
  }

  /** The limit with swap is never below the one without: the order depends on the direction. */
  #limitMemory(bytes: number): void {
    const withSwap = join(this.#directory("memory"), "memory.memsw.limit_in_bytes");
    const countsSwap = existsSync(withSwap);
    const isLarger = countsSwap && bytes > Number(readFileSync(withSwap, "utf8"));
    if (isLarger) writeFileSync(withSwap, String(bytes));
    this.#write("memory", "memory.limit_in_bytes", bytes);
    if (countsSwap && !isLarger) writeFileSync(withSwap, String(bytes));
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

/** Version 1 counts 1,024 where version 2 counts 100, and takes no less than 2. */
function sharesOf(cpuWeight: number): number {
  return Math.max(2, Math.round((cpuWeight * 1024) / 100));
}

class MeterV1 implements CgroupMeter {
  readonly #freezer: KernelFile;
  readonly #cpu: KernelFile;
  readonly #peak: KernelFile;
  readonly #stat: KernelFile;
  readonly #oom: KernelFile;
  readonly #usage: CgroupUsageReader;

  constructor(directory: (controller: Controller) => string) {
    this.#freezer = new KernelFile(join(directory("freezer"), "freezer.state"), "w");
    this.#cpu = new KernelFile(join(directory("cpuacct"), "cpuacct.usage"), "r");
    this.#peak = new KernelFile(join(directory("memory"), "memory.max_usage_in_bytes"), "r+");
    this.#stat = new KernelFile(join(directory("memory"), "memory.stat"), "r");
    this.#oom = new KernelFile(join(directory("memory"), "memory.oom_control"), "r");
    this.#usage = new CgroupUsageReader(1, { cpu: this.#cpu, peak: this.#peak, stat: this.#stat });
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

  readUsage() {
    return this.#usage.read();
  }

  oomKills(): number {
    return this.#oom.readNumberAfter("oom_kill ");
  }

  close(): void {
    for (const file of [this.#freezer, this.#cpu, this.#peak, this.#stat, this.#oom]) file.close();
  }
}
