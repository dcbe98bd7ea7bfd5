import { quantile } from "../../quantile.ts";
import { BOOT_MINUTES, JUDGED_FROM_MINUTE, type PoolPolicy, replayPool } from "./replay.ts";

const WINDOW_MINUTES = BOOT_MINUTES + 1;
const DAY_MINUTES = 1440;

/** As many at any time: Fission's pool of 3, EC2's warm pool, and with the best number in hindsight the yardstick. */
export function constantPool(instances: number): PoolPolicy {
  return { instancesFirst: instances, minuteOver: () => ({ instances, keep: instances }) };
}

/** @returns the smallest constant pool that serves the share from minute `from` on. */
export function smallestConstantPool(counts: Float64Array, hitShare: number, from = JUDGED_FROM_MINUTE): number {
  let [low, high] = [0, Math.ceil(counts.reduce((most, count) => Math.max(most, count), 0) * WINDOW_MINUTES)];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (replayPool(counts, constantPool(middle), from).hitShare >= hitShare) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * OpenWhisk's reactive stem cells for nodejs 256 MB: 2 at first, then each minute as many as there were cold starts,
 * from 1 to `most` (4 as shipped); one that is not taken goes after 2 minutes.
 */
export function stemCells(most: number): PoolPolicy {
  const recent: number[] = [];
  return {
    instancesFirst: 2,
    minuteOver(_minute, asked, served) {
      const instances = Math.min(most, Math.max(1, asked - served));
      recent.push(instances);
      if (recent.length > 2) recent.shift();
      return { instances, keep: Math.max(...recent) };
    },
  };
}

/**
 * Knative's pod autoscaler, with what was asked for in a launch's window in place of concurrency: the mean of the stable
 * window (60 s), at 70 % utilisation. Its panic window (6 s) is shorter than the trace's minute.
 */
export function knativeLike(): PoolPolicy {
  return {
    instancesFirst: 0,
    minuteOver(_minute, asked) {
      const instances = Math.ceil((asked * WINDOW_MINUTES) / 0.7);
      return { instances, keep: instances };
    },
  };
}

/**
 * The rule of the facts page: max(0.75 quantile of this minute's window on the last 7 days, median of the last 30 windows)
 * times a factor that is steered by the hits of 6 hours; with less history the 0.99 quantile of the last hour's windows.
 * Surplus goes after 5 minutes, 10 % a step.
 */
export function seasonalQuantile(): PoolPolicy {
  const counts: number[] = [];
  const hits: number[] = [];
  let [factor, minutesAbove, held] = [1.25, 0, 0];
  const window = (first: number) => total(counts, first, first + WINDOW_MINUTES);
  const windows = (length: number, next: number) =>
    Array.from({ length: Math.min(length, Math.max(1, next - WINDOW_MINUTES)) }, (_, i) =>
      window(next - WINDOW_MINUTES - i),
    );
  function base(next: number): number {
    if (next < 7 * DAY_MINUTES) return quantile(windows(60, next), 0.99);
    const days = Array.from({ length: 7 }, (_, day) => window(next - (day + 1) * DAY_MINUTES));
    return Math.max(quantile(days, 0.75), quantile(windows(30, next), 0.5));
  }
  function steer(next: number): void {
    const from = Math.max(0, next - 360);
    const share = total(hits, from, next) / total(counts, from, next);
    if (share < 0.99) factor *= 1.05;
    else if (share > 0.995) factor *= 0.99;
  }
  return {
    instancesFirst: 0,
    minuteOver(minute, asked, served) {
      counts.push(asked);
      hits.push(served);
      if (minute % 60 === 0) steer(minute + 1);
      const instances = Math.ceil(factor * base(minute + 1));
      held -= served;
      minutesAbove = held > instances ? minutesAbove + 1 : 0;
      const keep = minutesAbove >= 5 ? Math.max(instances, Math.ceil(held * 0.9)) : Math.max(instances, held);
      held = Math.max(instances, Math.min(held, keep));
      return { instances, keep };
    },
  };
}

function total(values: readonly number[], from: number, to: number): number {
  let sum = 0;
  for (let i = Math.max(0, from); i < to; i++) sum += values[i] ?? 0;
  return sum;
}
