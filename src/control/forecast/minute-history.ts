/** A figure per minute for the last `minutesMax` minutes; older ones, later ones and those never written are 0. */
export class MinuteHistory {
  readonly #values: Float32Array;
  /** The newest minute that was written; minutes count from any origin, without gaps. */
  #newest = -1;

  constructor(minutesMax: number) {
    this.#values = new Float32Array(minutesMax);
  }

  /** Minutes are written in order, each once. */
  push(value: number): void {
    this.#newest++;
    this.#values[this.#newest % this.#values.length] = value;
  }

  at(minute: number): number {
    if (minute < 0 || minute > this.#newest || minute <= this.#newest - this.#values.length) return 0;
    return this.#values[minute % this.#values.length] ?? 0;
  }

  /** Of `length` minutes from `first` on. */
  sum(first: number, length: number): number {
    let sum = 0;
    for (let minute = first; minute < first + length; minute++) sum += this.at(minute);
    return sum;
  }

  /** Oldest first. */
  toArray(): number[] {
    const first = Math.max(0, this.#newest + 1 - this.#values.length);
    return Array.from({ length: this.#newest + 1 - first }, (_, i) => this.at(first + i));
  }
}
