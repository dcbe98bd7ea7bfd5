/**
 * A seeded generator (sfc32, a small fast counting generator of 128 bits): the same seed gives the
 * same draws on every machine.
 */
export class Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed an integer; its low 32 bits count. */
  constructor(seed: number) {
    this.#seed = seed | 0;
    this.#a = mix(this.#seed);
    this.#b = mix(this.#a);
    this.#c = mix(this.#b);
    // The generator's own advice: the first outputs still resemble the seed.
    for (let i = 0; i < 12; i++) this.#bits();
  }

  /**
   * The generator of one consumer. It depends on the seed and the consumer's name alone, so that a
   * draw more here, or a new consumer, never shifts the draws there.
   */
  fork(consumer: string): Random {
    let seed = mix(this.#seed);
    for (let i = 0; i < consumer.length; i++) seed = mix(seed ^ consumer.charCodeAt(i));
    return new Random(seed);
  }

  /** @returns a number in [0, 1). */
  next(): number {
    return (this.#bits() >>> 0) / 4294967296;
  }

  /** @returns an integer in [min, max]. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws RangeError when the list is empty. */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("nothing to pick from");
    return list[Math.floor(this.next() * list.length)] as T;
  }

  /** Each order of magnitude between min and max is as likely as the next. */
  logUniform(min: number, max: number): number {
    return min * (max / min) ** this.next();
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** Heavy tail: with shape 1 every tenth draw is above ten times the minimum. */
  pareto(min: number, shape: number): number {
    return min / (1 - this.next()) ** (1 / shape);
  }

  #bits(): number {
    const out = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + out) | 0;
    return out;
  }
}

/** Spreads the bits of a seed, so that the seeds 1, 2, 3 draw unlike worlds (MurmurHash3's finaliser). */
function mix(seed: number): number {
  let bits = (seed + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
