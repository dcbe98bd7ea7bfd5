import { LeastSquares } from "./least-squares.ts";
import { MinuteHistory } from "./minute-history.ts";

/** What is expected to be asked for in the coming window: in square roots, where the noise of counts is even. */
export type Demand = {
  /** Square root of the expected count. */
  readonly root: number;
  /** Mean absolute error of `root`, for a time like this. */
  readonly rootError: number;
  /** The same over the last day, at any time. */
  readonly rootErrorOfDay: number;
};

/**
 * Forecasts how many instances will be asked for in the next `windowMinutes`, from the counts of the last minutes, of the same
 * window 5 minutes to 12 hours ago (timers), and at the same time of the last 7 days. Which of these tell the most is
 * learned as it goes, in two linear models: one of the count, one of the error that the first is about to make.
 */
export class DemandModel {
  readonly #windowMinutes: number;
  readonly #lags: readonly number[];
  readonly #counts = new MinuteHistory(HISTORY_MINUTES);
  /** |error| of the forecast of the window that begins at the minute. */
  readonly #errors = new MinuteHistory(HISTORY_MINUTES);
  readonly #count: LeastSquares;
  readonly #error: LeastSquares;
  /** Of the last minutes, oldest first; each waits until its window is over. */
  readonly #pending: Forecast[] = [];
  #errorOfMinutes = 0;
  #errorOfHours = 0;
  #errorOfDay = 0;
  /** Minutes seen; the next window begins here. */
  #next = 0;

  constructor(windowMinutes: number) {
    this.#windowMinutes = windowMinutes;
    this.#lags = LAGS_MINUTES.filter((lag) => lag >= windowMinutes);
    this.#count = new LeastSquares(COUNT_INPUTS + this.#lags.length, MEMORY_PER_MINUTE);
    this.#error = new LeastSquares(ERROR_INPUTS, MEMORY_PER_MINUTE);
  }

  /** The counts of the last 7 days and a little more, oldest first: all that a model is made of. */
  get counts(): number[] {
    return this.#counts.toArray();
  }

  /** A minute is over, in which `count` were asked for. @returns what to expect of the next window. */
  minuteOver(count: number): Demand {
    this.#counts.push(count);
    this.#next++;
    this.#learn();
    const forecast = this.#forecast();
    this.#pending.push(forecast);
    return forecast.demand;
  }

  #learn(): void {
    const isOver = this.#pending.length >= this.#windowMinutes;
    const forecast = isOver ? this.#pending.shift() : undefined;
    if (forecast === undefined) return this.#errors.push(0);
    const root = Math.sqrt(this.#window(this.#next - this.#windowMinutes));
    const error = Math.abs(root - forecast.demand.root);
    this.#count.learn(forecast.countInputs, root);
    this.#error.learn(forecast.errorInputs, error);
    this.#errors.push(error);
    this.#errorOfMinutes += (error - this.#errorOfMinutes) / ERROR_MINUTES_FEW;
    this.#errorOfHours += (error - this.#errorOfHours) / ERROR_MINUTES_MANY;
    this.#errorOfDay += (error - this.#errorOfDay) / DAY_MINUTES;
  }

  #forecast(): Forecast {
    const countInputs = this.#countInputs();
    // A model that has seen little, or a new pattern, may point anywhere: no higher than what was seen.
    const highest = countInputs.reduce((max, input, i) => (i === 0 ? max : Math.max(max, input)), 0);
    const root = clamp(this.#count.predict(countInputs), 0, HEADROOM * highest);
    const errorInputs = this.#errorInputs(root);
    const least = Math.max(ERROR_LEAST, this.#errorOfHours * ERROR_SHARE_LEAST);
    const most = ERROR_LEAST + HEADROOM * Math.max(root, ...errorInputs.subarray(2));
    const rootError = clamp(this.#error.predict(errorInputs), least, Math.max(least, most));
    const demand = { root, rootError, rootErrorOfDay: Math.max(ERROR_LEAST, this.#errorOfDay) };
    return { demand, countInputs, errorInputs };
  }

  #countInputs(): Float64Array {
    const trailing = Math.min(TRAILING_MINUTES, this.#next);
    const level = Math.sqrt((this.#counts.sum(this.#next - trailing, trailing) * this.#windowMinutes) / trailing);
    const days = this.#daysAgo();
    const ofDays = days.map((begin) => Math.sqrt(this.#window(begin)));
    const daily = ofDays.length > 0 ? mean(ofDays) : level;
    const weekly = ofDays[DAYS - 1] ?? daily;
    const ofLags = this.#lags.map((lag) => (lag > this.#next ? level : Math.sqrt(this.#window(this.#next - lag))));
    const last = Math.sqrt(this.#window(this.#next - this.#windowMinutes));
    return Float64Array.of(1, last, level, daily, weekly, ...ofLags);
  }

  #errorInputs(root: number): Float64Array {
    // The error of a window is known when it is over: `#errors` lags by a window.
    const days = this.#daysAgo().map((begin) => this.#errors.at(begin + this.#windowMinutes - 1));
    const daily = days.length > 0 ? mean(days) : this.#errorOfHours;
    return Float64Array.of(1, root, this.#errorOfMinutes, this.#errorOfHours, daily);
  }

  /** Where the coming window began 1, 2, … 7 days ago, as far as there is history. */
  #daysAgo(): number[] {
    const begins: number[] = [];
    for (let day = 1; day <= DAYS; day++) {
      if (this.#next >= day * DAY_MINUTES) begins.push(this.#next - day * DAY_MINUTES);
    }
    return begins;
  }

  #window(first: number): number {
    return this.#counts.sum(first, this.#windowMinutes);
  }
}

type Forecast = {
  readonly demand: Demand;
  readonly countInputs: Float64Array;
  readonly errorInputs: Float64Array;
};

const DAY_MINUTES = 1440;
const DAYS = 7;
const WINDOW_MINUTES_MAX = 15;
const HISTORY_MINUTES = DAYS * DAY_MINUTES + WINDOW_MINUTES_MAX + 1;
/** Timers ring every 5, 10, 15, 30 minutes, every hour or few hours. */
const LAGS_MINUTES = [5, 10, 15, 20, 30, 60, 120, 180, 720, DAY_MINUTES];
const TRAILING_MINUTES = 30;
const COUNT_INPUTS = 5;
const ERROR_INPUTS = 5;
/** Half is forgotten in 11.5 hours. */
const MEMORY_PER_MINUTE = 0.999;
const ERROR_MINUTES_FEW = 10;
const ERROR_MINUTES_MANY = 360;
const ERROR_SHARE_LEAST = 0.3;
const ERROR_LEAST = 0.1;
const HEADROOM = 1.25;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
