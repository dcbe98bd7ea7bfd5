/** How far one step moves the price, and over how long the idle memory is averaged. */
const STEP = 0.05;
const AVERAGED_OVER_STEPS = 10;
const PRICE_MIN = 1e-3;
const PRICE_MAX = 1e3;

/**
 * What idle memory costs, as a multiple of its usual price: raised while more is idle than the budget, lowered while less
 * is. It moves by the logarithm of the ratio, so that twice too much and half as much as wanted are answered alike; in small steps, for the memory
 * follows the price only as containers come and go.
 */
export class MemoryPrice {
  readonly #budgetMiB: number | undefined;
  #averageMiB: number | undefined;
  multiplier: number;

  /** @param budgetMiB idle memory that is wanted on average; undefined: the multiplier stays as it is. */
  constructor(multiplier: number, budgetMiB: number | undefined) {
    this.multiplier = multiplier;
    this.#budgetMiB = budgetMiB;
  }

  /**
   * Called at even intervals, such as once a minute.
   * @param idleMiB held by idle containers now.
   * @param budgetMiB in the place of the constructor's, when it depends on what there is.
   */
  steer(idleMiB: number, budgetMiB = this.#budgetMiB): void {
    if (budgetMiB === undefined) return;
    this.#averageMiB = (this.#averageMiB ?? idleMiB) + (idleMiB - (this.#averageMiB ?? idleMiB)) / AVERAGED_OVER_STEPS;
    const ratio = Math.max(this.#averageMiB, 1) / Math.max(budgetMiB, 1);
    const step = STEP * Math.max(-2, Math.min(2, Math.log(ratio)));
    this.multiplier = Math.min(PRICE_MAX, Math.max(PRICE_MIN, this.multiplier * Math.exp(step)));
  }
}
