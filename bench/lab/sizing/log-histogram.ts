export type LogHistogramOptions = {
  readonly firstMiB: number;
  /** Each bucket is this much wider than the one before it. */
  readonly growth: number;
  readonly halfLifeMs: number;
  /** Which value of a bucket a quantile names. */
  readonly edge: "end" | "middle";
};

/** A histogram with buckets of growing width whose samples lose half of their weight in each half-life, as VPA and Autopilot keep it. */
export class LogHistogram {
  readonly #options: LogHistogramOptions;
  readonly #weights = new Float64Array(256);
  #total = 0;

  constructor(options: LogHistogramOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#total <= EPSILON;
  }

  /** @param sign -1 takes the sample back. */
  add(valueMiB: number, nowMs: number, sign = 1): void {
    // Newer samples weigh more rather than older ones less: nothing else changes.
    const weight = sign * 2 ** (nowMs / this.#options.halfLifeMs);
    const bucket = this.#bucketOf(valueMiB);
    this.#weights[bucket] = Math.max(0, (this.#weights[bucket] as number) + weight);
    this.#total = Math.max(0, this.#total + weight);
  }

  quantile(share: number): number {
    let seen = 0;
    for (let bucket = 0; bucket < this.#weights.length; bucket++) {
      seen += this.#weights[bucket] as number;
      if (seen >= share * this.#total * (1 - EPSILON) && seen > 0) return this.#valueOf(bucket);
    }
    return this.#valueOf(this.#weights.length - 1);
  }

  /** Bucket b begins at first · (growth^b − 1) / (growth − 1). */
  #bucketOf(value: number): number {
    const { firstMiB, growth } = this.#options;
    const bucket = Math.floor(Math.log((value * (growth - 1)) / firstMiB + 1) / Math.log(growth));
    return Math.min(this.#weights.length - 1, Math.max(0, bucket));
  }

  #valueOf(bucket: number): number {
    const { firstMiB, growth, edge } = this.#options;
    const at = edge === "end" ? bucket + 1 : bucket + 0.5;
    return (firstMiB * (growth ** at - 1)) / (growth - 1);
  }
}

const EPSILON = 1e-4;
