/** Of each bad and each good execution: log likelihood of 30 % bad ones against 2 %. */
const STEP_BAD = Math.log(0.3 / 0.02);
const STEP_GOOD = Math.log(0.7 / 0.98);
/** At 2 % bad ones a false alarm comes once in some 100,000 executions. */
const ALARM_LEVEL = 12;

/** Looks for executions turning worse after a size was proven (Page's cumulative sum, 1954): five bad ones close together. */
export class Watch {
  #level: number;

  constructor(level = 0) {
    this.#level = level;
  }

  get level(): number {
    return this.#level;
  }

  /** @returns whether it is bad enough to go back. */
  add(isBad: boolean): boolean {
    this.#level = Math.max(0, this.#level + (isBad ? STEP_BAD : STEP_GOOD));
    return this.#level > ALARM_LEVEL;
  }
}
