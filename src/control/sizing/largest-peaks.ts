/** The tail of a distribution is read from so many of its largest values. */
export const LARGEST_KEPT = 8;
/** Executions next to each other resemble each other: only the largest of so many counts. */
const BLOCK = 5;

/** What is kept in a snapshot: executions, largest of the open block, its executions, then the largest. */
export type LargestPeaksRecord = readonly number[];

/** The largest peaks of one generation of executions, in MiB. */
export class LargestPeaks {
  /** Largest first; 0: none. Not a typed array: its bookkeeping would be larger than what it holds. */
  readonly #largest = new Array<number>(LARGEST_KEPT).fill(0);
  #executions = 0;
  #blockMiB = 0;
  #blockLength = 0;
  #maxMiB = 0;

  get executions(): number {
    return this.#executions;
  }

  get maxMiB(): number {
    return this.#maxMiB;
  }

  observe(peakMiB: number): void {
    this.#executions++;
    if (peakMiB > this.#maxMiB) this.#maxMiB = peakMiB;
    if (peakMiB > this.#blockMiB) this.#blockMiB = peakMiB;
    if (++this.#blockLength < BLOCK) return;
    this.#insert(this.#blockMiB);
    this.#blockMiB = 0;
    this.#blockLength = 0;
  }

  /** Largest first, without those that are not there yet. */
  values(): number[] {
    return this.#largest.filter((peak) => peak > 0);
  }

  record(): LargestPeaksRecord {
    return [this.#executions, this.#blockMiB, this.#blockLength, this.#maxMiB, ...this.values()].map(
      (value) => Math.round(value * 1000) / 1000,
    );
  }

  static from([
    executions = 0,
    blockMiB = 0,
    blockLength = 0,
    maxMiB = 0,
    ...values
  ]: LargestPeaksRecord): LargestPeaks {
    const peaks = new LargestPeaks();
    [peaks.#executions, peaks.#blockMiB, peaks.#blockLength, peaks.#maxMiB] = [
      executions,
      blockMiB,
      blockLength,
      maxMiB,
    ];
    for (const value of values) peaks.#insert(value);
    return peaks;
  }

  #insert(peakMiB: number): void {
    const largest = this.#largest;
    if (peakMiB <= (largest[LARGEST_KEPT - 1] as number)) return;
    let i = LARGEST_KEPT - 1;
    for (; i > 0 && (largest[i - 1] as number) < peakMiB; i--) largest[i] = largest[i - 1] as number;
    largest[i] = peakMiB;
  }
}
