import { setFlagsFromString } from "node:v8";

/**
 * How much garbage V8 may let gather beside what lives, in percent of it, by the function's memory.
 *
 * V8 fixes its heap limit when the process starts, and a blank process starts before the function's
 * memory is known. Left alone, it lets the heap grow to a multiple of what lives: in 128 MiB, a
 * function with 30 MiB of live objects was killed for want of memory. With 30 % it ran at a peak of
 * 110 MiB. Larger functions have room for the larger steps that cost less time.
 */
const GARBAGE_PERCENT_BY_MEMORY_MIB: readonly (readonly [memoryMiBMax: number, percent: number])[] = [
  [512, 30],
  [3072, 60],
];

/**
 * Fits garbage collection to the function's memory; to be called once its module is loaded, because
 * V8 compiles Node's own modules anew, and not from its cache, when a flag has changed.
 */
export function limitHeapGrowth(memoryMiB: number): void {
  const row = GARBAGE_PERCENT_BY_MEMORY_MIB.find(([memoryMiBMax]) => memoryMiB <= memoryMiBMax);
  if (row !== undefined) setFlagsFromString(`--heap-growing-percent=${row[1]}`);
}
