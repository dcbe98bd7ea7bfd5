import type { Outcome } from "../model/invocation.ts";

/** Whole microseconds since a moment of the monotonic clock. */
export function microsecondsSince(beganMs: number): number {
  return Math.round((performance.now() - beganMs) * 1000);
}

/** What a phase took: one that ran out of time took all of it, though timers have whole milliseconds and may fire a fraction early. */
export function spentUs(measuredUs: number, outcome: Outcome, limitMs: number): number {
  return outcome === "timeout" ? Math.max(measuredUs, limitMs * 1000) : measuredUs;
}

/**
 * What an init took. The runtime leaves out its own overhead; it cannot make the time longer than it was.
 *
 * @param reportedUs what the runtime says. undefined: nothing.
 */
export function initUsOf(measuredUs: number, reportedUs: number | undefined): number {
  return reportedUs === undefined ? measuredUs : Math.max(0, Math.min(reportedUs, measuredUs));
}
