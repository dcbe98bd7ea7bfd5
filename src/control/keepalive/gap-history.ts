import { sharedBins } from "./gap-bins.ts";

/** Gaps that are remembered in their order, to see what followed the last time. */
const RECENT_MAX = 16;
/** Bins that a function can have weights in; 6 bytes each. */
const BINS_MAX = 160;
/** Gaps that count in full: at this weight all are halved, so that a function that changed is learned again. */
const WEIGHT_MAX = 512;
/** What is left of a gap when it is forgotten. */
const WEIGHT_MIN = 0.2;

/**
 * What is known of one function's gaps between calls: weights in bins, sparse and sorted, and the last gaps in order.
 * Takes about 300 bytes for most functions and 1,100 at most.
 */
export class GapHistory {
  /** Of the last call; -1 before the first. */
  lastCallMs = -1;
  /** Gaps seen in all, forgotten ones included. */
  seen = 0;
  /** Sum of the weights. */
  weight = 0;
  /** The expectation of the last gap, see `expectedMs`, and how it went: 0 there was none, 1 missed, 2 and more met in a row. */
  expectedMs = -1;
  streak = 0;
  #bins = new Uint16Array(4);
  #weights = new Float32Array(4);
  #size = 0;
  #recentMs = new Float32Array(2);

  /** The last gap; -1 before the second call. */
  get lastGapMs(): number {
    return this.seen === 0 ? -1 : this.#recent(this.seen - 1);
  }

  /** Adds a gap and says what is expected to follow it. */
  add(gapMs: number): void {
    if (this.expectedMs >= 0)
      this.streak = isAbout(gapMs, this.expectedMs) ? Math.min(STREAK_MAX, Math.max(2, this.streak + 1)) : 1;
    const [bin, neighbour, share] = sharedBins(gapMs);
    this.#put(bin, 1 - share);
    if (share > 0) this.#put(neighbour, share);
    this.weight += 1;
    if (this.weight >= WEIGHT_MAX) this.#age();
    this.#remember(gapMs);
    this.expectedMs = this.#follower();
  }

  /** Copies the weights into an array over all bins, which must be zero. */
  spread(target: Float64Array): void {
    for (let i = 0; i < this.#size; i++) target[this.#bins[i] as number] = this.#weights[i] as number;
  }

  /** Undoes `spread`. */
  wipe(target: Float64Array): void {
    for (let i = 0; i < this.#size; i++) target[this.#bins[i] as number] = 0;
  }

  /** What this history takes, without the object itself. */
  get bytes(): number {
    return this.#bins.byteLength + this.#weights.byteLength + this.#recentMs.byteLength;
  }

  #put(bin: number, weight: number): void {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bins[middle] as number) < bin) low = middle + 1;
      else high = middle;
    }
    if (low < this.#size && this.#bins[low] === bin) {
      this.#weights[low] = (this.#weights[low] as number) + weight;
      return;
    }
    if (this.#size === BINS_MAX) {
      this.#forgetLeast();
      this.#put(bin, weight);
      return;
    }
    if (this.#size === this.#bins.length) this.#grow();
    this.#bins.copyWithin(low + 1, low, this.#size);
    this.#weights.copyWithin(low + 1, low, this.#size);
    this.#bins[low] = bin;
    this.#weights[low] = weight;
    this.#size++;
  }

  #grow(): void {
    const size = Math.min(BINS_MAX, this.#bins.length * 2);
    const [bins, weights] = [this.#bins, this.#weights];
    this.#bins = new Uint16Array(size);
    this.#weights = new Float32Array(size);
    this.#bins.set(bins);
    this.#weights.set(weights);
  }

  #age(): void {
    for (let i = 0; i < this.#size; i++) this.#weights[i] = (this.#weights[i] as number) / 2;
    this.#keep((weight) => weight >= WEIGHT_MIN);
  }

  /** Makes room: a quarter of the bins, those that weigh least. */
  #forgetLeast(): void {
    const least = this.#weights.slice(0, this.#size).sort()[this.#size >> 2] as number;
    let toGo = Math.max(1, this.#size >> 2);
    this.#keep((weight) => weight > least || toGo-- <= 0);
  }

  #keep(isKept: (weight: number) => boolean): void {
    let kept = 0;
    this.weight = 0;
    for (let i = 0; i < this.#size; i++) {
      const weight = this.#weights[i] as number;
      if (!isKept(weight)) continue;
      this.#bins[kept] = this.#bins[i] as number;
      this.#weights[kept++] = weight;
      this.weight += weight;
    }
    this.#size = kept;
  }

  #remember(gapMs: number): void {
    if (this.seen === this.#recentMs.length && this.seen < RECENT_MAX) {
      const before = this.#recentMs;
      this.#recentMs = new Float32Array(before.length * 2);
      this.#recentMs.set(before);
    }
    this.#recentMs[this.seen % this.#recentMs.length] = gapMs;
    this.seen++;
  }

  #recent(index: number): number {
    return this.#recentMs[index % this.#recentMs.length] as number;
  }

  /** The gap that came after the last one like the newest; the newest itself when there was none: timers repeat. */
  #follower(): number {
    const newest = this.#recent(this.seen - 1);
    const oldest = Math.max(0, this.seen - this.#recentMs.length);
    for (let index = this.seen - 2; index >= oldest; index--) {
      if (isAbout(this.#recent(index), newest)) return this.#recent(index + 1);
    }
    return newest;
  }
}

export const STREAK_MAX = 4;

/** Within 1 %, or within two seconds. */
export function isAbout(gapMs: number, expectedMs: number): boolean {
  return Math.abs(gapMs - expectedMs) <= Math.max(2000, 0.01 * expectedMs);
}
