import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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
import { averagePressure } from "./pressure.ts";

export const CONTROLLERS_V2 = ["memory", "cpu", "pids"] as const;

const ONE = Buffer.from("1");
const ZERO = Buffer.from("0");
const MEBIBYTE = 1024 * 1024;

/** A group of cgroup version 2. Groups with groups below hold no processes themselves. */
export class CgroupV2 implements Cgroup {
  readonly path: string;
  readonly #root: string;
  readonly #directory: string;

  constructor(root: string, path: string) {
    this.path = path;
    this.#root = root;
    this.#directory = join(root, path);
  }

  create(): void {
    makeGroup(this.#directory);
    this.#enableControllers(dirname(this.#directory));
  }

  setLimits(limits: CgroupLimits): void {
    if (limits.memoryMiB !== undefined) {
      this.#write("memory.max", limits.memoryMiB * MEBIBYTE);
      if (existsSync(join(this.#directory, "memory.swap.max"))) this.#write("memory.swap.max", 0);
    }
    if (limits.cpuMilli !== undefined) this.#limitCpu(cpuQuotaUs(limits.cpuMilli));
    if (limits.cpuWeight !== undefined) this.#write("cpu.weight", Math.max(1, Math.round(limits.cpuWeight)));
    if (limits.pidsMax !== undefined) this.#write("pids.max", limits.pidsMax);
  }

  /** What an idle period left over may be used in the next one, where the kernel can (5.14): never more than one quota. */
  #limitCpu(quotaUs: number): void {
    const canBurst = existsSync(join(this.#directory, "cpu.max.burst"));
    if (canBurst) this.#write("cpu.max.burst", 0); // It may not be above the quota at any moment.
    this.#write("cpu.max", `${quotaUs} ${CPU_PERIOD_US}`);
    if (canBurst) this.#write("cpu.max.burst", quotaUs);
  }

  addProcess(pid: number): void {
    this.#write("cgroup.procs", pid);
  }

  processIds(): number[] {
    return processIdsBelow(this.#directory);
  }

  /** cgroup.kill came with Linux 5.14. */
  killAll(): void {
    const kill = join(this.#directory, "cgroup.kill");
    if (existsSync(kill)) writeFileSync(kill, ONE);
    else killProcesses(this.processIds());
  }

  remove(): boolean {
    return removeGroup(this.#directory);
  }

  children(): string[] {
    return childGroups(this.#directory);
  }

  memoryUsageBytes(): number {
    return Number(readFileSync(join(this.#directory, "memory.current"), "utf8"));
  }

  totals(): CgroupTotals {
    return readTotals(2, {
      cpu: join(this.#directory, "cpu.stat"),
      memory: join(this.#directory, "memory.current"),
      stat: join(this.#directory, "memory.stat"),
    });
  }

  watchUsage(): undefined {}

  watchKills(watch: DescriptorWatch, onEvent: () => void): (() => void) | undefined {
    const path = join(this.#directory, "memory.events.local");
    if (!existsSync(path)) return undefined;
    const fd = openSync(path, "r");
    const stop = watch.watch(fd, "changed", onEvent);
    return () => {
      stop();
      closeSync(fd);
    };
  }

  memoryStallShare(): number | undefined {
    try {
      return averagePressure(readFileSync(join(this.#directory, "memory.pressure"), "utf8"), "some");
    } catch {
      return undefined;
    }
  }

  guardMemory(watch: DescriptorWatch, onEvent: () => void): MemoryGuard | undefined {
    if (!existsSync(join(this.#directory, "memory.high"))) return undefined;
    return new GuardV2(this.#directory, { watch, onEvent, heldBytes: () => this.totals().memoryBytes });
  }

  openMeter(): CgroupMeter {
    return new MeterV2(this.#directory);
  }

  /** From the root down: a group hands on only what it was handed. */
  #enableControllers(directory: string): void {
    if (directory !== this.#root) this.#enableControllers(dirname(directory));
    const control = join(directory, "cgroup.subtree_control");
    const enabled = existsSync(control) ? readFileSync(control, "utf8").split(/\s+/) : [];
    const missing = CONTROLLERS_V2.filter((controller) => !enabled.includes(controller));
    if (missing.length > 0) writeFileSync(control, missing.map((controller) => `+${controller}`).join(" "));
  }

  #write(file: string, value: number | string): void {
    writeFileSync(join(this.#directory, file), String(value));
  }
}

/** The kernel counts each time that use rose to `memory.high` in `memory.events`, and slows down whoever goes on above it. */
class GuardV2 implements MemoryGuard {
  readonly #directory: string;
  readonly #heldBytes: () => number;
  readonly #eventsFd: number;
  readonly #stop: () => void;
  #nearBytes = Number.POSITIVE_INFINITY;

  constructor(
    directory: string,
    { watch, onEvent, heldBytes }: { watch: DescriptorWatch; onEvent: () => void; heldBytes: () => number },
  ) {
    this.#directory = directory;
    this.#heldBytes = heldBytes;
    this.#eventsFd = openSync(join(directory, "memory.events"), "r");
    this.#stop = watch.watch(this.#eventsFd, "changed", onEvent);
  }

  arm(_limitMiB: number, nearMiB: number): void {
    this.#nearBytes = nearMiB * MEBIBYTE;
    writeFileSync(join(this.#directory, "memory.high"), String(this.#nearBytes));
  }

  disarm(): void {
    writeFileSync(join(this.#directory, "memory.high"), "max");
  }

  look() {
    const heldBytes = this.#heldBytes();
    return { heldBytes, isStuck: heldBytes >= this.#nearBytes };
  }

  close(): void {
    this.#stop();
    closeSync(this.#eventsFd);
  }
}

class MeterV2 implements CgroupMeter {
  readonly #freezer: KernelFile;
  readonly #cpu: KernelFile;
  readonly #peak: { readonly file: KernelFile; readonly canReset: boolean };
  readonly #stat: KernelFile;
  readonly #events: KernelFile;
  /** undefined: the kernel keeps none (built without, or started with `psi=0`). */
  readonly #pressure: KernelFile | undefined;
  readonly #usage: CgroupUsageReader;

  constructor(directory: string) {
    this.#freezer = new KernelFile(join(directory, "cgroup.freeze"), "w");
    this.#cpu = new KernelFile(join(directory, "cpu.stat"), "r");
    this.#peak = openPeak(directory);
    this.#stat = new KernelFile(join(directory, "memory.stat"), "r");
    this.#events = new KernelFile(join(directory, "memory.events"), "r");
    this.#pressure = openIfKept(join(directory, "memory.pressure"));
    let throttledUs = 0;
    this.#usage = new CgroupUsageReader({
      cpuUs: () => {
        const [cpuUs, throttled] = this.#cpu.readNumbersAfter(["usage_usec ", "throttled_usec "]);
        throttledUs = throttled;
        return cpuUs;
      },
      isThrottledDear: false,
      throttledUs: () => throttledUs,
      peak: this.#peak.file,
      fileCacheBytes: () => this.#stat.readSum(FILE_CACHE_KEYS[2]),
      // The first line is of `some`: at least one task waited.
      trouble: () => this.#pressure?.readNumberBehind("total=") ?? 0,
      stallUs: (waitedUs) => (this.#pressure === undefined ? undefined : waitedUs),
    });
  }

  freeze(): void {
    this.#freezer.write(ONE);
  }

  thaw(): void {
    this.#freezer.write(ZERO);
  }

  beginUsage(): void {
    if (this.#peak.canReset) this.#peak.file.write(ZERO);
    this.#usage.begin();
  }

  readUsage(limits: MeterLimits) {
    return this.#usage.read(limits);
  }

  oomKills(): number {
    return this.#events.readNumberAfter("oom_kill ");
  }

  hasReachedLimit(): boolean {
    return this.#events.readNumberAfter("oom ") > 0;
  }

  close(): void {
    for (const file of [this.#freezer, this.#cpu, this.#peak.file, this.#stat, this.#events]) file.close();
    this.#pressure?.close();
  }
}

/**
 * Since Linux 6.12 a write resets the peak for this file descriptor. From 5.19 on the peak is of the group's whole life, and a
 * write is refused although root may open the file for it; before that, the current use has to do.
 */
function openPeak(directory: string): { file: KernelFile; canReset: boolean } {
  const path = join(directory, "memory.peak");
  if (!existsSync(path)) return { file: new KernelFile(join(directory, "memory.current"), "r"), canReset: false };
  const file = openForReset(path);
  return file === undefined ? { file: new KernelFile(path, "r"), canReset: false } : { file, canReset: true };
}

/** @returns undefined where the kernel has no such file, or refuses to read it. */
function openIfKept(path: string): KernelFile | undefined {
  let file: KernelFile | undefined;
  try {
    file = new KernelFile(path, "r");
    file.readNumber();
    return file;
  } catch (error) {
    file?.close();
    if (["ENOENT", "EOPNOTSUPP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function openForReset(path: string): KernelFile | undefined {
  let file: KernelFile | undefined;
  try {
    file = new KernelFile(path, "r+");
    file.write(ZERO);
    return file;
  } catch (error) {
    file?.close();
    if (["EACCES", "EPERM", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
