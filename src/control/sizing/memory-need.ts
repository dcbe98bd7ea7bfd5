import type { PeakMemory } from "./peak-memory.ts";
import type { SizingHint } from "./version-record.ts";

/** What a limit is derived from. */
export type MemoryEvidence = {
  readonly peaks: PeakMemory;
  /** Of an older version of the function. */
  readonly hint: SizingHint | undefined;
  /** The threshold number of executions. */
  readonly executionsMin: number;
};

const WARM_HINT_MARGIN = 1.02;

/** Whether the threshold number of executions was reached, or half of it where an older version agrees. */
export function isEnough({ peaks, hint, executionsMin }: MemoryEvidence): boolean {
  if (peaks.executions >= executionsMin) return true;
  return peaks.maxMiB <= (hint?.maxMiB ?? 0) && peaks.executions >= executionsMin / 2;
}

/** The limit that would be right. @returns undefined: too few executions have been seen. */
export function neededMiB(evidence: MemoryEvidence): number | undefined {
  const { peaks, hint, executionsMin } = evidence;
  const needMiB = peaks.needMiB();
  if (needMiB === undefined || peaks.executions >= executionsMin) return needMiB;
  if (hint === undefined || !isEnough(evidence)) return undefined;
  return Math.min(needMiB, Math.max(hint.memoryMiB, peaks.maxMiB * WARM_HINT_MARGIN));
}
