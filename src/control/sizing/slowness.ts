import type { LogSketch } from "./log-sketch.ts";
import { deviationOf, type UsualDuration } from "./measured-level.ts";

/** Above this quantile of what is usual, and by this factor, an execution is slow: about one in fifty is by chance. */
const USUAL_SHARE = 0.98;
const SLOW_FACTOR = 1.2;
/** A quantile of few values is too low: after 20 executions 1.35 times is slow. */
const FEW_FACTOR = 3;
const EXECUTIONS_MIN = 15;
/** Errors are told from a function's usual ones only while those are rare. */
const USUAL_ERROR_SHARE_MAX = 0.1;
const ERROR_FADE = 0.98;
/** A median of fewer says little. */
const MEDIAN_EXECUTIONS_MIN = 10;

/** As kept in a snapshot: error share, executions, then the sketch. */
export type SlownessRecord = readonly number[];

/** What executions at the proven size are like, against which those at another one are judged. */
export class Slowness {
  readonly #wallUs: LogSketch;
  #errorShare = 0;
  #executions = 0;

  /** @param wallUs for the durations of those without an error; empty. */
  constructor(wallUs: LogSketch) {
    this.#wallUs = wallUs;
  }

  observe(wallUs: number, isError: boolean): void {
    this.#executions++;
    this.#errorShare = this.#errorShare * ERROR_FADE + (isError ? 1 - ERROR_FADE : 0);
    if (!isError) this.#wallUs.add(wallUs);
  }

  /** @param factor how much slower than usual it may be because of what was changed. */
  isBad(wallUs: number, isError: boolean, factor: number): boolean {
    if (isError) return this.#errorShare < USUAL_ERROR_SHARE_MAX;
    const usualUs = this.#executions < EXECUTIONS_MIN ? undefined : this.#wallUs.quantile(USUAL_SHARE);
    return (
      usualUs !== undefined && wallUs > usualUs * (SLOW_FACTOR + FEW_FACTOR / this.#executions) * Math.max(1, factor)
    );
  }

  /** Enough were seen for `usual`. */
  get isUsualKnown(): boolean {
    return this.#executions >= MEDIAN_EXECUTIONS_MIN;
  }

  /** What executions without an error take; undefined: too few were seen. */
  usual(): UsualDuration | undefined {
    const [lower, us, upper] = [this.#wallUs.quantile(0.25), this.#wallUs.median(), this.#wallUs.quantile(0.75)];
    if (!this.isUsualKnown || lower === undefined || us === undefined || upper === undefined) return undefined;
    return { durationMs: us / 1000, executions: this.#executions, deviation: deviationOf(lower, upper) };
  }

  record(): SlownessRecord {
    return [this.#errorShare, this.#executions, ...this.#wallUs.record()];
  }

  restore([errorShare = 0, executions = 0, ...sketch]: SlownessRecord): void {
    [this.#errorShare, this.#executions] = [errorShare, executions];
    this.#wallUs.restore(sketch);
  }

  /** What was usual is so no more. */
  clear(): void {
    this.restore([]);
  }
}
