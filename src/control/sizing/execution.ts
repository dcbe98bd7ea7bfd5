/** How an execution ended, as far as its size may have had a part in it. */
export type SizedOutcome =
  | "ok"
  /** The function answered with an error, or its process ended. */
  | "error"
  | "timeout"
  /** Killed at its memory limit: its peak is a lower bound of what it needs. */
  | "outOfMemory"
  /** It would have been killed, had its limit not been raised while it ran: its peak is what it needs, its limit too small. */
  | "rescued"
  /** Its instance was taken away: no evidence of anything. */
  | "reclaimed";

/** What one execution really used, and what it was allowed to use. */
export type Execution = {
  /** Of its container, when the execution began. */
  readonly memoryLimitMiB: number;
  /** Of its container, in thousandths of a vCPU. */
  readonly cpuLimitMilli: number;
  readonly outcome: SizedOutcome;
  /** Peak of memory that cannot be reclaimed (page cache apart); undefined: cannot tell. */
  readonly memoryPeakBytes: number | undefined;
  readonly wallUs: number;
  /** undefined: cannot tell. */
  readonly cpuUs: number | undefined;
  /** Of `wallUs`, kept from running by the CPU quota. */
  readonly throttledUs: number;
  /** Of `wallUs`, waiting for memory (pressure stall information or refaults); 0 where the kernel cannot tell. */
  readonly memoryStallUs: number;
  /** Size of the event; undefined: unknown. */
  readonly inputBytes: number | undefined;
  /** Its peak counts; its duration says nothing of later ones. */
  readonly isCold: boolean;
};

/** More of the wall time than this waiting for memory, and the peak is what was allowed rather than what was needed. */
const STALL_SHARE_MAX = 0.02;
const MIB = 2 ** 20;

/** It met its memory limit without being killed: reclaim slowed it down, three to a hundred times in measured cases. */
export function isStalled({ memoryStallUs, wallUs }: Execution): boolean {
  return memoryStallUs > wallUs * STALL_SHARE_MAX;
}

/** undefined: the peak was not measured. */
export function peakMiBOf({ memoryPeakBytes }: Execution): number | undefined {
  return memoryPeakBytes === undefined ? undefined : memoryPeakBytes / MIB;
}
