/** Lets a few pieces of work run at once; the others wait, in the order in which they came. */
export class Gate {
  #freeCount: number;
  readonly #waiting: (() => void)[] = [];

  constructor(countMax: number) {
    this.#freeCount = countMax;
  }

  /** Settles as the work does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#freeCount > 0) this.#freeCount--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#freeCount++;
      else next();
    }
  }
}
