import type { Outcome } from "./replay.ts";
import type { Trace } from "./trace.ts";

/**
 * What nobody can beat: every next call is known. A container stays over a gap while that costs less than a prewarm, and is else prewarmed
 * at the very moment of its call. For a trace without overlapping calls.
 *
 * @param prewarmGbMin what a prewarm costs, in idle memory × time.
 */
export function clairvoyant(trace: Trace, prewarmGbMin: number): Outcome {
  const count = trace.memoryMiB.length;
  const endMs = new Float64Array(count).fill(-1);
  const coldByFunction = new Int32Array(count);
  const wasteByFunction = new Float64Array(count);
  let prewarms = 0;
  for (let i = 0; i < trace.callAtMs.length; i++) {
    const fn = trace.callFunction[i] as number;
    const atMs = trace.callAtMs[i] as number;
    const gapMinutes = (atMs - (endMs[fn] as number)) / 60_000;
    const stayGbMin = ((trace.memoryMiB[fn] as number) / 1024) * gapMinutes;
    if ((endMs[fn] as number) < 0) coldByFunction[fn] = 1;
    else if (stayGbMin > prewarmGbMin) prewarms++;
    else wasteByFunction[fn] = (wasteByFunction[fn] as number) + stayGbMin;
    endMs[fn] = atMs + (trace.callMs[i] as number);
  }
  const firstTouch = coldByFunction.reduce((a, b) => a + b, 0);
  const wastedGbMin = wasteByFunction.reduce((a, b) => a + b, 0);
  return {
    calls: trace.callAtMs.length,
    cold: firstTouch,
    firstTouch,
    prewarms,
    wastedGbMin,
    coldByFunction,
    wasteByFunction,
  };
}
