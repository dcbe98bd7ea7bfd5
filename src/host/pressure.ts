import { readFileSync } from "node:fs";
import { join } from "node:path";
import { availableCpuMilli, availableMemoryMiB, totalMemoryMiB } from "./host-resources.ts";

/**
 * Parts of the last 10 s (0 to 1) in which tasks stood still for want of something: `some`, at least one task; `full`,
 * all of them, so that nothing got done. Linux' pressure stall information, averages as the kernel keeps them:
 * https://docs.kernel.org/accounting/psi.html
 */
export type Pressure = {
  readonly cpuSome: number;
  readonly memorySome: number;
  readonly memoryFull: number;
};

/** How busy a host is. */
export type HostLoad = {
  readonly atMs: number;
  readonly memoryTotalMiB: number;
  /** What can be taken without swapping: the kernel's estimate. */
  readonly memoryAvailableMiB: number;
  readonly cpuMilli: number;
  /** What all processes use of it, mean of the last 10 s; what a hypervisor took counts as used. */
  readonly cpuBusyMilli: number;
  /** Tasks that run or wait, mean of the last minute, per processor. */
  readonly loadPerCore: number;
  /** undefined: this kernel does not keep it (older than 4.20, built without PSI, or started with `psi=0`). */
  readonly pressure: Pressure | undefined;
};

/** As long as the kernel's short average of pressure, so that both tell of the same time. */
const CPU_WINDOW_MS = 10_000;
/** The unit of /proc/stat on every architecture that Node.js runs on (USER_HZ). */
const TICK_MS = 10;
/** Columns of /proc/stat's first line that are not work: idle and iowait; and guests' time, which is in user already. */
const IDLE_COLUMNS = [3, 4];
const GUEST_COLUMNS_FROM = 8;

/** Reads a host's load again and again. Reading it takes less than a millisecond. */
export class HostMeter {
  readonly #procDir: string;
  readonly #busy = new MovingRate(CPU_WINDOW_MS);

  /** @param procDir where the kernel tells of the host: another folder shows another host. */
  constructor(procDir = "/proc") {
    this.#procDir = procDir;
  }

  read(nowMs: number): HostLoad {
    return {
      atMs: nowMs,
      memoryTotalMiB: totalMemoryMiB(),
      memoryAvailableMiB: availableMemoryMiB(),
      cpuMilli: availableCpuMilli(),
      cpuBusyMilli: Math.min(availableCpuMilli(), this.#busy.add(nowMs, cpuBusyMs(this.#procDir)) * 1000),
      loadPerCore: (loadAverage(this.#procDir) * 1000) / availableCpuMilli(),
      pressure: readPressure(this.#procDir),
    };
  }
}

/** How fast a counter rises, over a window of time that ends now. */
export class MovingRate {
  readonly #windowMs: number;
  #readings: { atMs: number; total: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** @returns units per ms since the beginning of the window, or since the first reading; 0 at the first. */
  add(atMs: number, total: number): number {
    this.#readings = this.#readings.filter((reading) => reading.atMs > atMs - this.#windowMs * 1.5);
    this.#readings.push({ atMs, total });
    const first = this.#readings.findLast((reading) => reading.atMs <= atMs - this.#windowMs) ?? this.#readings[0];
    if (first === undefined || first.atMs >= atMs) return 0;
    return Math.max(0, total - first.total) / (atMs - first.atMs);
  }
}

/** @returns undefined where the kernel keeps none. */
export function readPressure(procDir = "/proc"): Pressure | undefined {
  try {
    const cpu = readFileSync(join(procDir, "pressure/cpu"), "utf8");
    const memory = readFileSync(join(procDir, "pressure/memory"), "utf8");
    return {
      cpuSome: averagePressure(cpu, "some"),
      memorySome: averagePressure(memory, "some"),
      memoryFull: averagePressure(memory, "full"),
    };
  } catch {
    return undefined; // Without PSI there is no such folder; switched off, reading it fails.
  }
}

/** Of the last 10 s, from 0 to 1, as a file of pressure tells it. */
export function averagePressure(text: string, kind: "some" | "full"): number {
  return Number(new RegExp(`^${kind} avg10=([\\d.]+)`, "m").exec(text)?.[1] ?? 0) / 100;
}

function cpuBusyMs(procDir: string): number {
  const line = readFileSync(join(procDir, "stat"), "utf8").split("\n", 1)[0] ?? "";
  const ticks = line
    .trim()
    .split(/\s+/)
    .slice(1, GUEST_COLUMNS_FROM + 1)
    .map(Number);
  return ticks.reduce((sum, count, column) => (IDLE_COLUMNS.includes(column) ? sum : sum + count), 0) * TICK_MS;
}

function loadAverage(procDir: string): number {
  return Number(readFileSync(join(procDir, "loadavg"), "utf8").split(" ", 1)[0]);
}
