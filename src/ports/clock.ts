/** Where shells read the time. The control core is told `nowMs` instead. */
export type Clock = {
  /** Milliseconds since the epoch. May step when the host's clock is set. */
  nowMs(): number;
};

export const systemClock: Clock = { nowMs: () => Date.now() };
