/** Relative width of a bucket: a quantile is that near to the truth. */
const WIDTH = 1.02;
const LOG_WIDTH = Math.log(WIDTH);
/** From the largest value down to a 3.5th of it; what is smaller counts as that. Upper quantiles lose nothing by it. */
const BUCKETS = 64;
/** At this weight all counts are halved: half of what is remembered is younger than so many values. */
const WEIGHT_MAX = 4096;

/** What a sketch keeps in a snapshot: the index of its first bucket, then the counts without the empty end. */
export type LogSketchRecord = readonly number[];

/** Quantiles of positive values in 200 bytes: logarithmic buckets under the largest value, the oldest counts fade. */
export class LogSketch {
  readonly #counts: Uint16Array;
  /** Where this sketch's counts begin. */
  readonly #start: number;
  /** Its first bucket; value v lies in bucket floor(ln v / ln 1.02). */
  #first = 0;
  #weight = 0;

  /** @param index of this sketch among those that share the counts. */
  constructor(counts = new Uint16Array(BUCKETS), index = 0) {
    this.#counts = counts;
    this.#start = index * BUCKETS;
  }

  /** Values without weight say nothing. */
  get isEmpty(): boolean {
    return this.#weight === 0;
  }

  /** @param value what is not above zero is ignored. */
  add(value: number): void {
    if (!(value > 0) || value === Number.POSITIVE_INFINITY) return;
    const bucket = Math.floor(Math.log(value) / LOG_WIDTH);
    if (this.#weight === 0) this.#first = bucket - BUCKETS + 1;
    if (bucket >= this.#first + BUCKETS) this.#raise(bucket - BUCKETS + 1);
    const index = this.#start + Math.max(0, bucket - this.#first);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#weight++;
    if (this.#weight >= WEIGHT_MAX) this.#fade();
  }

  /** @returns the upper edge of the bucket, so never less than the value; undefined: there is none. */
  quantile(share: number): number | undefined {
    if (this.#weight === 0) return undefined;
    let [seen, index] = [0, 0];
    for (; index < BUCKETS; index++) {
      seen += this.#count(index);
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
    for (let i = 0; i < BUCKETS; i++) sum += this.#count(i) * WIDTH ** (this.#first + i + 0.5);
    return sum / this.#weight;
  }

  /** Those that are not empty, ascending; the first one holds everything below it too. */
  buckets(): { readonly from: number; readonly to: number; readonly count: number }[] {
    return [...this.#own()].flatMap((count, i) => {
      const from = i === 0 ? 0 : WIDTH ** (this.#first + i);
      return count === 0 ? [] : [{ from, to: WIDTH ** (this.#first + i + 1), count }];
    });
  }

  record(): LogSketchRecord {
    const counts = [...this.#own()];
    while (counts.at(-1) === 0) counts.pop();
    return [this.#first, ...counts];
  }

  /** As it was when the record was made. */
  restore([first = 0, ...counts]: LogSketchRecord): void {
    this.clear();
    this.#first = first;
    this.#own().set(counts.slice(0, BUCKETS));
    this.#weight = this.#own().reduce((sum, count) => sum + count, 0);
  }

  /** Forgets all values. */
  clear(): void {
    this.#own().fill(0);
    [this.#first, this.#weight] = [0, 0];
  }

  #own(): Uint16Array {
    return this.#counts.subarray(this.#start, this.#start + BUCKETS);
  }

  #count(bucket: number): number {
    return this.#counts[this.#start + bucket] as number;
  }

  /** The buckets below the new first one fall together into it. */
  #raise(first: number): void {
    const counts = this.#own();
    const shift = Math.min(first - this.#first, BUCKETS);
    const fallen = counts.subarray(0, Math.min(shift + 1, BUCKETS)).reduce((sum, count) => sum + count, 0);
    counts.copyWithin(0, shift);
    counts.fill(0, BUCKETS - shift);
    counts[0] = fallen;
    this.#first = first;
  }

  #fade(): void {
    this.#weight = 0;
    for (let i = this.#start; i < this.#start + BUCKETS; i++) {
      this.#counts[i] = (this.#counts[i] as number) >> 1;
      this.#weight += this.#counts[i] as number;
    }
  }
}

/** Those of one function version share an array: with one each, keeping track of them would take as much again. */
export function fiveSketches(): [LogSketch, LogSketch, LogSketch, LogSketch, LogSketch] {
  const counts = new Uint16Array(5 * BUCKETS);
  const sketch = (index: number) => new LogSketch(counts, index);
  return [sketch(0), sketch(1), sketch(2), sketch(3), sketch(4)];
}
