import { addAt, BIN_COUNT, binOf, CLASS_COUNT, classOf, classOfBin, shareOfClass } from "./gap-bins.ts";
import { type GapHistory, isAbout, STREAK_MAX } from "./gap-history.ts";

/** What is known of the gaps of functions in general, in plain numbers: to ship it, to store it. */
export type UsualGaps = {
  /** Per class of the last gap (the first row: no gap yet), weights per class of the gap that follows. */
  readonly following: readonly (readonly number[])[];
  /** Per class of the last gap and streak: weight of expectations that were met, and of all. */
  readonly met: readonly (readonly number[])[];
  readonly expected: readonly (readonly number[])[];
};

/** A function's further gaps count less and less for others: the prior is of functions, not of calls. */
const HALF_SEEN = 20;
const SEEN_MAX = 150;
/** Weight that a class needs to be believed rather than all classes together. */
const CLASS_TRUST = 4;
/** At this weight everything learned is halved: what is usual changes as well. */
const WEIGHT_MAX = 100_000;

/**
 * The gaps of all functions together: how long the next gap is after one of this length, and how often the gap is
 * the expected one (`GapHistory`). It speaks for functions that are little known, and behind all that is known of one.
 */
export class GapPrior {
  readonly #following = Array.from({ length: CLASS_COUNT + 1 }, () => new Float64Array(CLASS_COUNT));
  readonly #weight = new Float64Array(CLASS_COUNT + 1);
  readonly #met = new Float64Array((CLASS_COUNT + 1) * (STREAK_MAX + 1));
  readonly #expected = new Float64Array(this.#met.length);
  readonly #overall = new Float64Array(CLASS_COUNT);
  #overallWeight = 0;
  readonly #spike = new Float64Array(BIN_COUNT);

  constructor(usual: UsualGaps | undefined) {
    for (let cls = 0; cls < CLASS_COUNT; cls++) this.#addOverall(cls, 1 / CLASS_COUNT);
    for (const [row, weights] of usual?.following.entries() ?? []) {
      for (const [cls, weight] of weights.entries()) this.#addFollowing(row, cls, weight);
    }
    for (const [row, weights] of usual?.met.entries() ?? []) {
      for (const [streak, weight] of weights.entries()) this.#met[indexOf(row, streak)] = weight;
    }
    for (const [row, weights] of usual?.expected.entries() ?? []) {
      for (const [streak, weight] of weights.entries()) this.#expected[indexOf(row, streak)] = weight;
    }
  }

  /** Learns a function's next gap; `history` does not know it yet. */
  learn(history: GapHistory, gapMs: number): void {
    if (history.seen > SEEN_MAX) return;
    const weight = 1 / (1 + history.seen / HALF_SEEN);
    const row = rowOf(history);
    if (history.expectedMs >= 0) {
      const index = indexOf(row, history.streak);
      this.#expected[index] = (this.#expected[index] as number) + weight;
      if (isAbout(gapMs, history.expectedMs)) {
        this.#met[index] = (this.#met[index] as number) + weight;
        this.#addOverall(classOf(gapMs), weight);
        return;
      }
    }
    this.#addFollowing(row, classOfBin[binOf(gapMs)] as number, weight);
    if (this.#overallWeight > WEIGHT_MAX) this.#age();
  }

  /** Writes the probability that the next call comes in each bin, given that it did not come earlier. */
  hazards(history: GapHistory, target: Float64Array): void {
    const row = rowOf(history);
    const following = this.#following[row] as Float64Array;
    const repeats = history.expectedMs < 0 ? 0 : this.#repeatShare(row, history.streak);
    // The rest of the class's weight spreads over its table; the spike gets its share on top.
    const tableWeight = this.#weight[row] as number;
    const spikeWeight = (Math.max(tableWeight, MIN_TABLE) * repeats) / (1 - repeats);
    if (spikeWeight > 0) addAt(this.#spike, history.expectedMs, spikeWeight);
    let left = tableWeight + spikeWeight;
    let leftOverall = this.#overallWeight;
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      const cls = classOfBin[bin] as number;
      const share = shareOfClass[bin] as number;
      const here = (following[cls] as number) * share + (this.#spike[bin] as number);
      const overall = (this.#overall[cls] as number) * share;
      const overallHazard = overall / Math.max(leftOverall, 1e-9);
      target[bin] = Math.min(1, (here + CLASS_TRUST * overallHazard) / (Math.max(left, 0) + CLASS_TRUST));
      left -= here;
      leftOverall -= overall;
    }
    if (spikeWeight > 0) {
      const bin = binOf(history.expectedMs);
      this.#spike.fill(0, Math.max(0, bin - 1), bin + 2);
    }
  }

  /** Rounded, to be stored or shipped. */
  usual(): UsualGaps {
    const rounded = (weights: Float64Array) => Array.from(weights, (weight) => Number(weight.toFixed(1)));
    const rows = (weights: Float64Array) =>
      Array.from({ length: CLASS_COUNT + 1 }, (_, row) =>
        rounded(weights.subarray(indexOf(row, 0), indexOf(row + 1, 0))),
      );
    return { following: this.#following.map(rounded), met: rows(this.#met), expected: rows(this.#expected) };
  }

  #repeatShare(row: number, streak: number): number {
    const index = indexOf(row, streak);
    return Math.min(0.999, ((this.#met[index] as number) + 0.1) / ((this.#expected[index] as number) + 1));
  }

  #addFollowing(row: number, cls: number, weight: number): void {
    const following = this.#following[row];
    if (following === undefined || cls >= CLASS_COUNT) return;
    following[cls] = (following[cls] as number) + weight;
    this.#weight[row] = (this.#weight[row] as number) + weight;
    this.#addOverall(cls, weight);
  }

  #addOverall(cls: number, weight: number): void {
    this.#overall[cls] = (this.#overall[cls] as number) + weight;
    this.#overallWeight += weight;
  }

  #age(): void {
    for (const table of [...this.#following, this.#weight, this.#met, this.#expected, this.#overall]) {
      for (let i = 0; i < table.length; i++) table[i] = (table[i] as number) / 2;
    }
    this.#overallWeight /= 2;
  }
}

/** A class without a table can still have a spike. */
const MIN_TABLE = 1e-9;

/** The first row is for functions without a gap. */
function rowOf(history: GapHistory): number {
  return history.seen === 0 ? 0 : 1 + classOf(history.lastGapMs);
}

function indexOf(row: number, streak: number): number {
  return row * (STREAK_MAX + 1) + streak;
}
