import type { HostLoad } from "../../host/pressure.ts";
import type { Shape } from "../../model/instance.ts";

/** The numbers that spare capacity is lent by; docs/providers/harvest.md says why each is what it is. */
export type HarvestSettings = {
  /** What the host keeps for itself: only what is spare beyond it is offered. */
  readonly reserve: Shape;
  /**
   * Instances are given back when less than this would be left for the host. Below `reserve`, so that
   * between the two neither anything is offered nor anything is taken away.
   */
  readonly floor: Shape;
  /** The usual instance, which the offer is priced by. */
  readonly shape: Shape;
  /** Nothing is offered while there is room for less than this. */
  readonly shapeMin: Shape;
  /** What was spare all through this time is offered. */
  readonly calmMs: number;
  /** What is missing for this long is taken back. */
  readonly pressedMs: number;
  /** Between the notice and the end of an instance. */
  readonly noticeMs: number;
  /** The shortest notice, when memory runs out fast. */
  readonly noticeMsMin: number;
  /** Part of the time (0 to 1) in which the host's own work waits for a processor; nothing is offered above half of it. */
  readonly cpuPressureMax: number;
  /** Part of the time in which nothing runs for want of memory; likewise. */
  readonly memoryPressureMax: number;
};

const RESERVE_MEMORY_SHARE = 0.05;
const RESERVE_MEMORY_MIB_MIN = 512;
const RESERVE_CPU_SHARE = 0.1;

/** For a host of this size. */
export function defaultHarvestSettings({ memoryTotalMiB, cpuMilli }: HostLoad): HarvestSettings {
  const reserve = {
    memoryMiB: Math.max(RESERVE_MEMORY_MIB_MIN, Math.round(memoryTotalMiB * RESERVE_MEMORY_SHARE)),
    cpuMilli: Math.round(cpuMilli * RESERVE_CPU_SHARE),
  };
  return {
    reserve,
    floor: { memoryMiB: Math.round(reserve.memoryMiB / 2), cpuMilli: Math.round(reserve.cpuMilli / 2) },
    shape: { memoryMiB: 1024, cpuMilli: 600 },
    shapeMin: { memoryMiB: 512, cpuMilli: 300 },
    calmMs: 30_000,
    pressedMs: 5_000,
    noticeMs: 30_000,
    noticeMsMin: 2_000,
    cpuPressureMax: 0.5,
    memoryPressureMax: 0.1,
  };
}
