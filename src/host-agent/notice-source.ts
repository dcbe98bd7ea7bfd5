/**
 * Where a host learns that it may be, or will be, taken away: a cloud's metadata service, the operator's signal.
 * It says what it knows as often as it likes; saying the same twice has no further effect.
 */
export type NoticeSource = {
  /**
   * Called once. `onAtRisk`: the machine may be reclaimed soon (EC2's rebalance recommendation). `onReclaim`: it is
   * taken away in `leftMs` milliseconds from now (0 or below: any moment).
   */
  start(onAtRisk: (reason: string) => void, onReclaim: (leftMs: number, reason: string) => void): void;
  /** No call comes after it. Idempotent. */
  stop(): void;
};
