/** What an execution does with a CPU: `T(c) = wait + C / min(c, p)`, see `durationMsAt`. */
export type CpuDemand = {
  /** C: CPU time of all its threads, ms. */
  readonly cpuMs: number;
  /** W: the rest of its duration, which no CPU shortens, ms. */
  readonly waitMs: number;
  /** p: how many CPUs it can use at once; at least what was seen in use. */
  readonly parallelism: number;
  /** It was held up by its quota, which tells p; otherwise p is what was seen in use on average, at least one. */
  readonly isParallelismKnown: boolean;
};

/** Medians over executions at one CPU limit. */
export type CpuObservation = {
  readonly cpuMilli: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly throttledMs: number;
};

/** Of the wall time; below it the quota is no hindrance worth the name. */
const THROTTLED_SHARE_MIN = 0.02;
const PARALLELISM_MAX = 64;
/** An average over what runs in parallel and what does not: while it does, more is in use. */
const PEAK_TO_AVERAGE = 1.15;
/** Below it a function is taken to have one thread that works. */
const PARALLEL_MIN = 1.1;
/** Linux hands out CPU quotas in periods of this length (`cpu.max`). */
export const QUOTA_PERIOD_MS = 100;

/**
 * One size is enough: without its throttled time an execution takes U = W + C/p at any size, and at its own limit it was
 * throttled for C/c − C/p. So p follows from the throttled time, and W from p. An execution that was not throttled used at
 * most its limit at once; the function is then taken to use one CPU, or as many as it is seen to.
 */
export function cpuDemandOf({ cpuMilli, wallMs, cpuMs, throttledMs }: CpuObservation): CpuDemand {
  const limit = cpuMilli / 1000;
  const unthrottledMs = Math.max(wallMs - throttledMs, cpuMs / PARALLELISM_MAX);
  const isUnthrottled = throttledMs < wallMs * THROTTLED_SHARE_MIN;
  const seen = cpuMs / unthrottledMs;
  const running = cpuMs / limit - throttledMs;
  const found = isUnthrottled ? Math.min(limit, Math.max(1, seen)) : cpuMs / Math.max(running, cpuMs / PARALLELISM_MAX);
  const parallelism = Math.min(PARALLELISM_MAX, Math.max(seen, found));
  return withParallelism(cpuMs, unthrottledMs, { parallelism, isParallelismKnown: !isUnthrottled });
}

/** @param unthrottledMs how long an execution takes where no quota holds it up. */
export function withParallelism(
  cpuMs: number,
  unthrottledMs: number,
  known: Pick<CpuDemand, "parallelism" | "isParallelismKnown">,
): CpuDemand {
  return { cpuMs, waitMs: Math.max(0, unthrottledMs - cpuMs / known.parallelism), ...known };
}

/** The same function at the worst that is likely where only an average is known: for promises on durations. */
export function cautious(demand: CpuDemand): CpuDemand {
  const { cpuMs, waitMs, parallelism, isParallelismKnown } = demand;
  if (isParallelismKnown || parallelism < PARALLEL_MIN) return demand;
  const more = { parallelism: parallelism * PEAK_TO_AVERAGE, isParallelismKnown };
  return withParallelism(cpuMs, waitMs + cpuMs / parallelism, more);
}

/**
 * Expected duration at a limit. A quota is spent per period, so a short execution hardly feels it: below c · 100 ms of CPU
 * time there is no throttling at all in a fresh period; on average over where in a period it begins, long ones take C/c.
 */
export function durationMsAt({ cpuMs, waitMs, parallelism }: CpuDemand, cpuMilli: number): number {
  const limit = cpuMilli / 1000;
  if (limit >= parallelism) return waitMs + cpuMs / parallelism;
  const runningMs = cpuMs / parallelism;
  const quotaMs = limit * QUOTA_PERIOD_MS;
  if (cpuMs <= quotaMs) return waitMs + runningMs;
  return (
    waitMs +
    Math.max(runningMs, Math.min(cpuMs / limit, runningMs + (cpuMs / limit - runningMs) * heldShare(cpuMs, quotaMs)))
  );
}

/** A period's quota is free at the beginning: it matters for executions of few periods. */
function heldShare(cpuMs: number, quotaMs: number): number {
  return Math.min(1, (cpuMs - quotaMs) / quotaMs);
}
