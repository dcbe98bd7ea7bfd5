/** Relative width of a bucket: a quantile is that near to the truth. */
const WIDTH = 1.02;
const LOG_WIDTH = Math.log(WIDTH);
/** From the largest value down to a 3.5th of it; what is smaller counts as that. Upper quantiles lose nothing by it. */
const BUCKETS = 64;
/** At this weight all counts are halved: half of what is remembered is younger than so many values. */
const WEIGHT_MAX = 4096;
const NO_COUNTS = new Uint16Array(0);

/** What a sketch keeps in a snapshot: the index of its first bucket, then the counts without the empty end. */
export type LogSketchRecord = readonly number[];

/** Quantiles of positive values in 200 bytes: logarithmic buckets under the largest value, the oldest counts fade. */
export class LogSketch {
  /** Made with the first value: many a sketch never gets one. */
  #counts = NO_COUNTS;
  /** Bucket of `#counts[0]`; value v lies in bucket floor(ln v / ln 1.02). */
  #first = 0;
  #weight = 0;

  /** Values without weight say nothing. */
  get isEmpty(): boolean {
    return this.#weight === 0;
  }

  /** @param value what is not above zero is ignored. */
  add(value: number): void {
    if (!(value > 0) || value === Number.POSITIVE_INFINITY) return;
    const bucket = Math.floor(Math.log(value) / LOG_WIDTH);
    if (this.#counts.length === 0) this.#counts = new Uint16Array(BUCKETS);
    if (this.#weight === 0) this.#first = bucket - BUCKETS + 1;
    if (bucket >= this.#first + BUCKETS) this.#raise(bucket - BUCKETS + 1);
    const index = Math.max(0, bucket - this.#first);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#weight++;
    if (this.#weight >= WEIGHT_MAX) this.#fade();
  }

  /** @returns the upper edge of the bucket, so never less than the value; undefined: there is none. */
  quantile(share: number): number | undefined {
    if (this.#weight === 0) return undefined;
    let [seen, index] = [0, 0];
    for (; index < BUCKETS; index++) {
      seen += this.#counts[index] as number;
      if (seen >= share * this.#weight) break;
    }
    return WIDTH ** (this.#first + Math.min(index, BUCKETS - 1) + 1);
  }

  /** The middle of the median's bucket; undefined: there is no value. */
  median(): number | undefined {
    const upper = this.quantile(0.5);
    return upper === undefined ? undefined : upper / Math.sqrt(WIDTH);
  }

  /** undefined: there is no value. */
  mean(): number | undefined {
    if (this.#weight === 0) return undefined;
    let sum = 0;
    for (let i = 0; i < BUCKETS; i++) sum += (this.#counts[i] as number) * WIDTH ** (this.#first + i + 0.5);
    return sum / this.#weight;
  }

  /** Those that are not empty, ascending; the first one holds everything below it too. */
  buckets(): { readonly from: number; readonly to: number; readonly count: number }[] {
    return [...this.#counts].flatMap((count, i) => {
      const from = i === 0 ? 0 : WIDTH ** (this.#first + i);
      return count === 0 ? [] : [{ from, to: WIDTH ** (this.#first + i + 1), count }];
    });
  }

  record(): LogSketchRecord {
    const counts = [...this.#counts];
    while (counts.at(-1) === 0) counts.pop();
    return [this.#first, ...counts];
  }

  static from([first = 0, ...counts]: LogSketchRecord): LogSketch {
    const sketch = new LogSketch();
    sketch.#first = first;
    if (counts.length === 0) return sketch;
    sketch.#counts = new Uint16Array(BUCKETS);
    sketch.#counts.set(counts.slice(0, BUCKETS));
    sketch.#weight = sketch.#counts.reduce((sum, count) => sum + count, 0);
    return sketch;
  }

  /** The buckets below the new first one fall together into it. */
  #raise(first: number): void {
    const shift = first - this.#first;
    const counts = new Uint16Array(BUCKETS);
    for (let i = 0; i < BUCKETS; i++) {
      const target = Math.max(0, i - shift);
      counts[target] = (counts[target] as number) + (this.#counts[i] as number);
    }
    [this.#counts, this.#first] = [counts, first];
  }

  #fade(): void {
    this.#weight = 0;
    for (let i = 0; i < BUCKETS; i++) {
      this.#counts[i] = (this.#counts[i] as number) >> 1;
      this.#weight += this.#counts[i] as number;
    }
  }
}
