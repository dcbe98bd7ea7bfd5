const BUCKET_MS = 900_000;
const BUCKETS = 96;

/** Price and demand of one offer over the last day, averaged over quarters of an hour. 1.5 KiB an offer. */
export class TermsHistory {
  readonly #prices = new Float64Array(BUCKETS).fill(Number.NaN);
  readonly #demands = new Float64Array(BUCKETS).fill(Number.NaN);
  /** Of the bucket that is being filled: its number since the clock's zero, and what it holds so far. */
  #bucket: number | undefined;
  #weightMs = 0;
  #sinceMs = 0;
  #price = 0;
  #demand = 0;

  /** From now on the terms are these. */
  record(price: number, demand: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#price = price;
    this.#demand = demand;
  }

  /** @returns for which share of the last day the price was below this one; undefined: less than an hour is known. */
  priceRank(price: number, nowMs: number): number | undefined {
    this.#advance(nowMs);
    return rank(this.#prices, price);
  }

  /** Likewise for the demand level. */
  demandRank(demand: number, nowMs: number): number | undefined {
    this.#advance(nowMs);
    return rank(this.#demands, demand);
  }

  /** Accounts for the time since the last call, at most a day of it. */
  #advance(nowMs: number): void {
    if (this.#bucket === undefined) {
      this.#sinceMs = nowMs;
      this.#bucket = Math.floor(nowMs / BUCKET_MS);
      return;
    }
    const first = Math.max(this.#bucket, Math.floor(nowMs / BUCKET_MS) - BUCKETS);
    for (let bucket = first; bucket * BUCKET_MS < nowMs; bucket++) {
      if (bucket !== this.#bucket) this.#weightMs = 0;
      this.#bucket = bucket;
      const fromMs = Math.max(this.#sinceMs, bucket * BUCKET_MS);
      this.#add(bucket % BUCKETS, Math.min(nowMs, (bucket + 1) * BUCKET_MS) - fromMs);
    }
    this.#sinceMs = nowMs;
  }

  #add(index: number, ms: number): void {
    if (ms <= 0) return;
    const total = this.#weightMs + ms;
    const mean = (held: number | undefined, value: number) =>
      this.#weightMs === 0 || held === undefined ? value : (held * this.#weightMs + value * ms) / total;
    this.#prices[index] = mean(this.#prices[index], this.#price);
    this.#demands[index] = mean(this.#demands[index], this.#demand);
    this.#weightMs = total;
  }
}

/** Fewer say too little of what a day is like. */
const KNOWN_MIN = 4;

function rank(values: Float64Array, value: number): number | undefined {
  let known = 0;
  let below = 0;
  for (const each of values) {
    if (Number.isNaN(each)) continue;
    known++;
    if (each < value) below++;
  }
  return known < KNOWN_MIN ? undefined : below / known;
}
