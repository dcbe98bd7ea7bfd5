import type { CgroupTotals, CgroupUsage } from "./cgroup.ts";
import { KernelFile } from "./kernel-file.ts";

/** memory.stat is dear to read (the kernel sums up all CPUs): only after a change of the peak by this much. */
const PEAK_CHANGE_BYTES = 256 * 1024;

const FILE_CACHE_KEYS = { 1: ["total_inactive_file ", "total_active_file "], 2: ["inactive_file ", "active_file "] };

/** Tells the memory peak of an execution apart from file cache, which both cgroup versions count as used. */
export class CgroupUsageReader {
  readonly #cpu: { file: KernelFile; unitsPerUs: number };
  readonly #peak: KernelFile;
  readonly #stat: KernelFile;
  readonly #fileCacheKeys: readonly string[];
  #cpuBeginUs = 0;
  #peakSeenBytes = Number.NEGATIVE_INFINITY;
  #fileCacheBytes = 0;

  constructor(version: 1 | 2, files: { cpu: KernelFile; peak: KernelFile; stat: KernelFile }) {
    this.#cpu = { file: files.cpu, unitsPerUs: version === 1 ? 1000 : 1 };
    this.#peak = files.peak;
    this.#stat = files.stat;
    this.#fileCacheKeys = FILE_CACHE_KEYS[version];
  }

  begin(): void {
    this.#cpuBeginUs = this.#cpuUs();
  }

  read(): CgroupUsage {
    const peakBytes = this.#peak.readNumber();
    if (Math.abs(peakBytes - this.#peakSeenBytes) >= PEAK_CHANGE_BYTES) {
      this.#peakSeenBytes = peakBytes;
      this.#fileCacheBytes = this.#stat.readSum(this.#fileCacheKeys);
    }
    return {
      cpuUs: Math.max(0, this.#cpuUs() - this.#cpuBeginUs),
      memoryPeakBytes: Math.max(0, peakBytes - this.#fileCacheBytes),
    };
  }

  #cpuUs(): number {
    return Math.round(this.#cpu.file.readNumber() / this.#cpu.unitsPerUs);
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
