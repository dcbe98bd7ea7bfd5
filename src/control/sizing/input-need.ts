/** As kept in a snapshot. */
export type InputNeedRecord = readonly number[];

const EXECUTIONS_MIN = 20;
/** Share of the peaks' variance that the input must explain before anything is predicted from it. */
const EXPLAINED_MIN = 0.6;
/** Older executions weigh half after so many. */
const HALF_LIFE = 2000;
const FADE = 2 ** (-1 / HALF_LIFE);
/** Further out than this many times the largest input seen, a line is no better than a guess. */
const REACH = 4;

/** Predicts a peak from the size of the event where that is what it depends on: a line through past peaks, and the largest excess above it. */
export class InputNeed {
  #weight = 0;
  #meanX = 0;
  #meanY = 0;
  #xx = 0;
  #xy = 0;
  #yy = 0;
  #excess = 0;
  #largest = 0;
  #executions = 0;

  observe(inputBytes: number, peakMiB: number): void {
    const x = inputBytes / 2 ** 20;
    if (this.#executions >= EXECUTIONS_MIN) this.#excess = Math.max(this.#excess * FADE, peakMiB - this.#lineAt(x));
    this.#executions++;
    this.#largest = Math.max(this.#largest, inputBytes);
    this.#weight = this.#weight * FADE + 1;
    const [dx, dy] = [x - this.#meanX, peakMiB - this.#meanY];
    this.#meanX += dx / this.#weight;
    this.#meanY += dy / this.#weight;
    this.#xx = this.#xx * FADE + dx * (x - this.#meanX);
    this.#xy = this.#xy * FADE + dx * (peakMiB - this.#meanY);
    this.#yy = this.#yy * FADE + dy * (peakMiB - this.#meanY);
  }

  /** MiB; undefined: the need does not depend on the input, or too little is known. */
  predict(inputBytes: number): number | undefined {
    if (this.#executions < EXECUTIONS_MIN || this.#xx <= 0 || this.#yy <= 0 || this.#xy <= 0) return undefined;
    if (inputBytes > this.#largest * REACH) return undefined;
    if (this.#xy ** 2 / (this.#xx * this.#yy) < EXPLAINED_MIN) return undefined;
    return this.#lineAt(inputBytes / 2 ** 20) + this.#excess;
  }

  record(): InputNeedRecord {
    return [
      this.#weight,
      this.#meanX,
      this.#meanY,
      this.#xx,
      this.#xy,
      this.#yy,
      this.#excess,
      this.#largest,
      this.#executions,
    ];
  }

  static from(record: InputNeedRecord): InputNeed {
    const need = new InputNeed();
    [
      need.#weight = 0,
      need.#meanX = 0,
      need.#meanY = 0,
      need.#xx = 0,
      need.#xy = 0,
      need.#yy = 0,
      need.#excess = 0,
      need.#largest = 0,
      need.#executions = 0,
    ] = record;
    return need;
  }

  #lineAt(x: number): number {
    return this.#meanY + (this.#xx > 0 ? (this.#xy / this.#xx) * (x - this.#meanX) : 0);
  }
}
