/** Buckets per doubling: quantiles are right within 9 %. */
const STEPS_PER_DOUBLING = 8;
const DOUBLINGS_BELOW_ONE = 7;
const BUCKETS = STEPS_PER_DOUBLING * 48;

/** Counts durations in exponentially growing buckets, so that a quantile of millions costs nothing. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #zeros = 0;
  count = 0;
  max = 0;

  add(value: number): void {
    this.count++;
    if (value <= 0) {
      this.#zeros++;
      return;
    }
    if (value > this.max) this.max = value;
    const bucket = Math.floor((Math.log2(value) + DOUBLINGS_BELOW_ONE) * STEPS_PER_DOUBLING);
    const index = bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket;
    this.#counts[index] = (this.#counts[index] as number) + 1;
  }

  /** @returns the upper end of the bucket that holds the quantile; 0 when nothing was added. */
  quantile(share: number): number {
    let remaining = Math.ceil(this.count * share) - this.#zeros;
    if (remaining <= 0) return 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      remaining -= this.#counts[bucket] as number;
      if (remaining <= 0) return Math.min(this.max, 2 ** ((bucket + 1) / STEPS_PER_DOUBLING - DOUBLINGS_BELOW_ONE));
    }
    return this.max;
  }
}
