/** As kept in a snapshot: log likelihood ratio, executions. */
export type SequentialTestRecord = readonly [logRatio: number, executions: number];

export type Verdict = "undecided" | "good" | "bad";

/** Bad executions that a good size may have: callers' own noise. */
const BAD_SHARE_OF_GOOD = 0.05;
/** Bad executions at which a size is surely worse. */
const BAD_SHARE_OF_BAD = 0.4;
/** Good sizes that are refused: it costs savings for long. */
const FALSE_ALARM_SHARE = 0.01;
/** Bad sizes that pass: those are watched afterwards. */
const MISSED_SHARE = 0.05;
const EXECUTIONS_MAX = 100;
const STEP_BAD = Math.log(BAD_SHARE_OF_BAD / BAD_SHARE_OF_GOOD);
const STEP_GOOD = Math.log((1 - BAD_SHARE_OF_BAD) / (1 - BAD_SHARE_OF_GOOD));
const BAD_BOUND = Math.log((1 - MISSED_SHARE) / FALSE_ALARM_SHARE);
const GOOD_BOUND = Math.log(MISSED_SHARE / (1 - FALSE_ALARM_SHARE));

/**
 * Whether executions at a new size go worse, decided as early as errors of 1 % and 5 % allow (Wald 1945): seven in a row
 * without fault pass, three bad ones within a few fail. Undecided after 100: bad.
 */
export class SequentialTest {
  #logRatio = 0;
  #executions = 0;

  get executions(): number {
    return this.#executions;
  }

  add(isBad: boolean): void {
    this.#executions++;
    this.#logRatio += isBad ? STEP_BAD : STEP_GOOD;
  }

  get verdict(): Verdict {
    if (this.#logRatio <= GOOD_BOUND) return "good";
    return this.#logRatio >= BAD_BOUND || this.#executions >= EXECUTIONS_MAX ? "bad" : "undecided";
  }

  /** Undecided, but more than half way to good. */
  get leansGood(): boolean {
    return this.#logRatio <= GOOD_BOUND / 2;
  }

  record(): SequentialTestRecord {
    return [this.#logRatio, this.#executions];
  }

  static from([logRatio, executions]: SequentialTestRecord): SequentialTest {
    const test = new SequentialTest();
    [test.#logRatio, test.#executions] = [logRatio, executions];
    return test;
  }
}
