import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * 1024;

/** Memory that this process and its children may still take, counting a limit set on it from outside. */
export function availableMemoryMiB(): number {
  const available =
    Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * KIBIBYTE;
  const constrained = process.constrainedMemory();
  const limit = constrained > 0 && constrained < totalmem() ? process.availableMemory() : Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(available, limit) / MEBIBYTE);
}

/** All memory of the host, or the limit set on this process from outside. */
export function totalMemoryMiB(): number {
  const constrained = process.constrainedMemory();
  return Math.floor((constrained > 0 ? Math.min(totalmem(), constrained) : totalmem()) / MEBIBYTE);
}

export function availableCpuMilli(): number {
  return availableParallelism() * 1000;
}
