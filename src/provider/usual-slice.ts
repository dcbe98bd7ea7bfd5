import type { Shape } from "../model/instance.ts";

const MEMORY_MIB_MIN = 1024;
const MEMORY_MIB_MAX = 4096;
/** Of what a host offers: enough instances for several accounts, each large enough to be useful. */
const HOST_SHARE = 1 / 4;

/** The usual shape of an instance that is a slice of a host. Processors are shared: an idle neighbour's time is nobody's loss. */
export function usualSlice({ memoryMiB, cpuMilli }: Shape): Shape {
  const share = Math.max(MEMORY_MIB_MIN, Math.floor(memoryMiB * HOST_SHARE));
  return { memoryMiB: Math.min(share, MEMORY_MIB_MAX, memoryMiB), cpuMilli };
}
