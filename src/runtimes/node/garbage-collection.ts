import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Up to here, memory comes before speed. */
const SMALL_MEMORY_MIB = 512;
/** Up to here, garbage may gather to this many percent of what lives; above, V8 plans by itself. */
const MEDIUM_MEMORY_MIB = 3072;
const MEDIUM_GARBAGE_PERCENT = 60;
/** A small function whose module fills more than this part of its memory gets a collection right after loading. */
const LOADED_PART_MAX = 1 / 8;

/**
 * Collects all garbage now. From its first full collection on, V8 knows how much lives and plans the
 * next one by it; until then it waits for a large part of its heap limit to fill, which is more than
 * a small container has.
 */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  collect();
}

/**
 * Fits garbage collection to the function's memory; to be called once its module is loaded, because
 * V8 compiles Node's own modules anew, and not from its cache, while a flag differs.
 *
 * V8 fixes its heap limit when the process starts, and a blank process starts before the function's
 * memory is known. Left alone, it lets the heap grow to a multiple of what lives: in 128 MiB, a
 * function with 30 MiB of live objects that makes much garbage was killed for want of memory, nearly
 * each time. With these settings it lived in 14 of 15 runs on Node 22 and 24, with peaks of 56 to 122 MiB.
 */
export function fitGarbageCollection(memoryMiB: number): void {
  if (memoryMiB <= SMALL_MEMORY_MIB) {
    setFlagsFromString("--optimize-for-size");
    const loadedBytesMax = memoryMiB * 1024 * 1024 * LOADED_PART_MAX;
    if (getHeapStatistics().used_heap_size > loadedBytesMax) collectGarbage();
  } else if (memoryMiB <= MEDIUM_MEMORY_MIB) {
    setFlagsFromString(`--heap-growing-percent=${MEDIUM_GARBAGE_PERCENT}`);
  }
}
