import type { PeakFigures } from "../../model/size-story.ts";
import { LARGEST_KEPT, LargestPeaks, type LargestPeaksRecord } from "./largest-peaks.ts";
import { LogSketch, type LogSketchRecord } from "./log-sketch.ts";
import { excessChance, memoryMarginMiB, type PeakSummary, recordChance } from "./memory-margin.ts";

/** As kept in a snapshot. */
export type PeakMemoryRecord = {
  readonly now: LargestPeaksRecord;
  readonly before: LargestPeaksRecord;
  readonly sketch: LogSketchRecord;
  /** sinceFailure, total, records, recordsFromMiB, recordsSince, trendMiB. */
  readonly counts: readonly number[];
};

/** A peak counts for one to two generations, so that a need that falls is noticed. */
const GENERATION = 4096;
/** A doubling of the executions brings 0.7 records by chance, four or more in one case of 200. */
const RECORDS_OF_A_TREND = 4;
const TREND_FROM = 20;
/** A quarter of the functions needing 40 % more at once is a tenth; nearly as much again for chance. */
const RESERVATION_FACTOR = 1.19;
const SMALL_MIB = 512;
const LARGE_MIB = 2048;

/** What the peaks of a function version's executions tell of its next ones; peaks that are lower bounds are kept out. */
export class PeakMemory {
  #now = new LargestPeaks();
  #before: LargestPeaks | undefined;
  readonly #sketch: LogSketch;
  #sinceFailure = 0;
  #total = 0;
  #records = 0;
  #recordsFromMiB = 0;
  #recordsSince = 0;
  #trendMiB = 0;

  /** @param sketch of all peaks; empty. */
  constructor(sketch = new LogSketch()) {
    this.#sketch = sketch;
  }

  /** Since the last execution that failed for want of memory. */
  get executions(): number {
    return this.#sinceFailure;
  }

  get maxMiB(): number {
    return Math.max(this.#now.maxMiB, this.#before?.maxMiB ?? 0);
  }

  /** @returns whether it is the largest so far. */
  observe(peakMiB: number): boolean {
    const isRecord = peakMiB > this.maxMiB;
    this.#sinceFailure++;
    this.#total++;
    this.#sketch.add(peakMiB);
    this.#now.observe(peakMiB);
    if (this.#now.executions >= GENERATION) [this.#before, this.#now] = [this.#now, new LargestPeaks()];
    if (isRecord) this.#records++;
    const [from, total] = [this.#recordsSince, this.#total];
    if (total === TREND_FROM || (from > 0 && total >= Math.min(2 * from, from + GENERATION))) this.#judgeTrend();
    return isRecord;
  }

  /** An execution was killed or stalled: what was learned of rarity was wrong, what was learned of size was not. */
  failed(): void {
    this.#sinceFailure = 0;
  }

  /** The smallest limit to be had; undefined: no peak is known. */
  needMiB(): number | undefined {
    const maxMiB = this.maxMiB;
    if (maxMiB === 0) return undefined;
    return maxMiB + this.marginMiB();
  }

  /** Kept above the largest peak. */
  marginMiB(): number {
    return memoryMarginMiB(this.#summary());
  }

  /** For people. @param limitMiB that the next execution may need. @returns undefined: no peak is known. */
  figures(limitMiB: number): PeakFigures | undefined {
    if (this.maxMiB === 0) return undefined;
    const quantile = (share: number) => this.quantile(share) ?? this.maxMiB;
    return {
      p50MiB: quantile(0.5),
      p90MiB: quantile(0.9),
      p99MiB: quantile(0.99),
      maxMiB: this.maxMiB,
      marginMiB: this.marginMiB(),
      recordChance: recordChance(this.#summary()),
      excessChance: excessChance(this.#summary(), limitMiB),
      histogram: this.#sketch.buckets().map(({ from, to, count }) => ({ fromMiB: from, toMiB: to, count })),
    };
  }

  /**
   * What to pack instances by while the limit is larger; undefined: too little is known. Many small containers are not at their
   * peaks at once, so what counts is their mean, and a share for the day when many need more at once. A large one has
   * nobody to average with: the larger it is, the more of its whole need is reserved.
   */
  reservationMiB(): number | undefined {
    const meanMiB = this.#sketch.mean();
    const needMiB = this.needMiB();
    if (meanMiB === undefined || needMiB === undefined) return undefined;
    const usualMiB = meanMiB * RESERVATION_FACTOR;
    const alone = Math.min(1, Math.max(0, (needMiB - SMALL_MIB) / (LARGE_MIB - SMALL_MIB)));
    return usualMiB + Math.max(0, needMiB - usualMiB) * alone;
  }

  /** Of past peaks; undefined: there is none. */
  meanMiB(): number | undefined {
    return this.#sketch.mean();
  }

  /** Of past peaks; undefined: there is none. */
  quantile(share: number): number | undefined {
    const quantile = this.#sketch.quantile(share);
    return quantile === undefined ? undefined : Math.min(quantile, this.maxMiB);
  }

  record(): PeakMemoryRecord {
    return {
      now: this.#now.record(),
      before: this.#before?.record() ?? [],
      sketch: this.#sketch.record(),
      counts: [
        this.#sinceFailure,
        this.#total,
        this.#records,
        this.#recordsFromMiB,
        this.#recordsSince,
        this.#trendMiB,
      ],
    };
  }

  restore({ now, before, sketch, counts }: PeakMemoryRecord): void {
    this.#now = LargestPeaks.from(now);
    this.#before = before.length === 0 ? undefined : LargestPeaks.from(before);
    this.#sketch.restore(sketch);
    [
      this.#sinceFailure = 0,
      this.#total = 0,
      this.#records = 0,
      this.#recordsFromMiB = 0,
      this.#recordsSince = 0,
      this.#trendMiB = 0,
    ] = counts;
  }

  #summary(): PeakSummary {
    const { maxMiB } = this;
    return {
      executions: Math.min(this.#sinceFailure, 2 * GENERATION),
      seen: this.#total,
      maxMiB,
      medianMiB: Math.min(maxMiB, this.#sketch.median() ?? maxMiB),
      largestMiB: this.#largest(),
      trendMiB: this.#trendMiB,
    };
  }

  #largest(): number[] {
    const now = this.#now.values();
    if (this.#before === undefined) return now;
    return [...now, ...this.#before.values()].sort((a, b) => b - a).slice(0, LARGEST_KEPT);
  }

  #judgeTrend(): void {
    const { maxMiB } = this;
    // The first executions are all records: they say nothing.
    const isTrend = this.#recordsFromMiB > 0 && this.#records >= RECORDS_OF_A_TREND;
    this.#trendMiB = isTrend ? (maxMiB - this.#recordsFromMiB) / (this.#total - this.#recordsSince) : 0;
    [this.#records, this.#recordsFromMiB] = [0, maxMiB];
    this.#recordsSince = this.#total;
  }
}
