/** Where shells read the time. The control core is told `nowMs` instead. */
export type Clock = {
  /** Milliseconds since the epoch at start, counted on monotonically: never steps when the host's clock is set. */
  monotonicMs(): number;
  /** Milliseconds since the epoch as the host believes now; may step. For what outlives the process or is shown. */
  nowMs(): number;
};

/** The host's own clocks. */
export const systemClock: Clock = {
  monotonicMs: () => performance.timeOrigin + performance.now(),
  nowMs: () => Date.now(),
};
