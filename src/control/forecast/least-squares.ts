/**
 * Recursive least squares with forgetting: a linear model that is corrected by one observation at a time, in O(n²).
 * Haykin, Adaptive Filter Theory, 4th edition, chapter 9. Forgetting pauses while the inverse correlation matrix is large,
 * which it becomes when the inputs stop varying (a pool that nobody uses); else it would grow without bound.
 */
export class LeastSquares {
  readonly #size: number;
  readonly #memory: number;
  readonly #weights: Float64Array;
  /** Inverse correlation of the inputs, row by row; symmetric. */
  readonly #inverse: Float64Array;
  readonly #gain: Float64Array;
  #trace = 0;

  /** @param memory weight that an observation keeps when the next one comes, below and near 1. */
  constructor(size: number, memory: number) {
    this.#size = size;
    this.#memory = memory;
    this.#weights = new Float64Array(size);
    this.#inverse = new Float64Array(size * size);
    this.#gain = new Float64Array(size);
    this.#resetInverse();
  }

  predict(inputs: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < this.#size; i++) sum += at(this.#weights, i) * at(inputs, i);
    return sum;
  }

  /** Finite inputs and outputs only. */
  learn(inputs: Float64Array, output: number): void {
    const memory = this.#trace < TRACE_PER_INPUT_MAX * this.#size ? this.#memory : 1;
    const norm = memory + this.#correlate(inputs);
    const error = output - this.predict(inputs);
    if (!(norm > 0)) return this.#resetInverse();
    for (let i = 0; i < this.#size; i++) {
      this.#weights[i] = at(this.#weights, i) + (at(this.#gain, i) / norm) * error;
    }
    this.#shrinkInverse(memory, norm);
  }

  /** Sets the gain to inverse × inputs; @returns inputs × gain. */
  #correlate(inputs: Float64Array): number {
    let norm = 0;
    for (let i = 0; i < this.#size; i++) {
      let sum = 0;
      for (let j = 0; j < this.#size; j++) sum += at(this.#inverse, i * this.#size + j) * at(inputs, j);
      this.#gain[i] = sum;
      norm += sum * at(inputs, i);
    }
    return norm;
  }

  #shrinkInverse(memory: number, norm: number): void {
    const size = this.#size;
    this.#trace = 0;
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        const reduced = at(this.#inverse, i * size + j) - (at(this.#gain, i) * at(this.#gain, j)) / norm;
        this.#inverse[i * size + j] = reduced / memory;
        this.#inverse[j * size + i] = reduced / memory;
      }
      this.#trace += at(this.#inverse, i * size + i);
    }
  }

  /** Rounding has made the matrix indefinite: what is known about the weights stays, how well it is known is forgotten. */
  #resetInverse(): void {
    this.#inverse.fill(0);
    for (let i = 0; i < this.#size; i++) this.#inverse[i * this.#size + i] = INVERSE_FIRST;
    this.#trace = INVERSE_FIRST * this.#size;
  }
}

const INVERSE_FIRST = 100;
const TRACE_PER_INPUT_MAX = 10_000;

function at(values: Float64Array, index: number): number {
  return values[index] ?? 0;
}
