/** Lets so many through at once, and as many again in each `refillMs`, little by little. */
export class TokenBucket {
  readonly #refillMs: number;
  #tokens: number;
  #asOfMs: number;

  /** Full at first. @param size Infinity is no bound. */
  constructor(size: number, refillMs: number, nowMs: number) {
    this.#refillMs = refillMs;
    this.#tokens = size;
    this.#asOfMs = nowMs;
  }

  /** @param size it may be another than before. @returns whether one more may pass; it has passed then. */
  take(size: number, nowMs: number): boolean {
    this.#tokens = Math.min(size, this.#tokens + ((nowMs - this.#asOfMs) / this.#refillMs) * size);
    this.#asOfMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whether it is as a new one would be: nobody has come for long enough. */
  isUnused(nowMs: number): boolean {
    return nowMs - this.#asOfMs >= this.#refillMs;
  }
}
