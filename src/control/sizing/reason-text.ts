import type { PeakMemory } from "./peak-memory.ts";

/** Why a size that had proven itself is given up. */
export const GOT_WORSE = "Executions have become slower or fail more often than before the change.";

/** Why a size is another one although nothing was learned. */
export const SETTINGS_CHANGED = "The settings for this function's size were changed.";

const SHORTAGES = {
  outOfMemory: "An execution was killed at",
  rescued: "An execution would have been killed, had its limit not been raised, at",
  pressure: "An execution waited for memory at",
} as const;

export function shortageText(condition: keyof typeof SHORTAGES, limitMiB: number): string {
  return `${SHORTAGES[condition]} ${limitMiB} MiB.`;
}

export function trialFailedText(executions: number): string {
  return `Of ${executions} executions on trial too many were slow or failed.`;
}

/** What a reservation rests on. */
export function meanText(peaks: PeakMemory): string {
  const meanMiB = peaks.meanMiB() ?? 0;
  return `The mean of ${peaks.executions} peaks is ${meanMiB.toFixed(1)} MiB, the largest ${peaks.maxMiB.toFixed(1)} MiB.`;
}

/** What a limit rests on. */
export function peaksText(peaks: PeakMemory): string {
  const medianMiB = peaks.quantile(0.5) ?? 0;
  return `The largest of ${peaks.executions} peaks is ${peaks.maxMiB.toFixed(1)} MiB, half are below ${medianMiB.toFixed(1)} MiB.`;
}
