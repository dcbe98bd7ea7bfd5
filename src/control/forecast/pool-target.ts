import { type Demand, DemandModel } from "./demand-model.ts";
import { VirtualPool } from "./virtual-pool.ts";

/** What a forecast needs to know of the pool whose size it says. */
export type PoolForecastSettings = {
  /** From the launch of an instance until it can be taken. Counted in whole minutes, 1 to 14. */
  readonly bootMs: number;
  /** Share of what is asked for that the pool shall have ready, such as 0.99; above 0 and below 1. */
  readonly hitShare: number;
};

/** How many instances to have. */
export type PoolTarget = {
  /** Ready and launching ones together. */
  readonly instances: number;
  /** More than these are surplus: no coming minute is expected to need them before others could be launched. */
  readonly keep: number;
  /** One sentence for people, with the figures. */
  readonly why: string;
};

/**
 * Learns how many instances are asked for in each minute and says how many to have ready or launching, so that `hitShare`
 * of what is asked for finds one ready, with as few idle as it can. One per sub-pool and shape; 90 KiB, some 20 µs a minute.
 *
 * The target is (√expected + z·error of √expected)²: the same quantile of the demand at every time of day, which is what makes
 * a share of hits cheapest. z is steered: virtual pools with other z's tell what each would have served, and the
 * smallest that gives the share is chosen, less or more what was missed or spared so far. See docs/design/0011-pool-size-and-spot.md.
 */
export class PoolForecast {
  readonly #settings: PoolForecastSettings;
  readonly #windowMinutes: number;
  readonly #model: DemandModel;
  readonly #candidates: readonly { readonly margin: Margin; readonly pool: VirtualPool }[];
  /** As this forecast says. What really was ready also tells of failed launches, against which a larger target would not help. */
  readonly #own: VirtualPool;
  #margin = MARGIN_FIRST;
  #target: PoolTarget = { instances: 0, keep: 0, why: "nothing is known of the demand yet" };
  #demand: Demand = { root: 0, rootError: 0, rootErrorOfDay: 0 };
  /** What was asked for, of older minutes ever less. */
  #taken = 0;
  #minutes = 0;
  #minute: number | undefined;
  #count = 0;

  constructor(settings: PoolForecastSettings) {
    this.#settings = settings;
    const bootMinutes = Math.min(BOOT_MINUTES_MAX, Math.max(1, Math.ceil(settings.bootMs / MINUTE_MS)));
    this.#windowMinutes = bootMinutes + 1;
    this.#model = new DemandModel(this.#windowMinutes);
    this.#candidates = MARGINS.map((margin) => ({ margin, pool: new VirtualPool(bootMinutes) }));
    this.#own = new VirtualPool(bootMinutes);
  }

  /**
   * So many instances were asked for, whether they were there or not. Times never decrease; minutes that
   * nothing was said of count as minutes without demand.
   */
  observe(nowMs: number, count: number): void {
    this.#advance(nowMs);
    this.#count += count;
  }

  /** As of the last full minute; constant until the next is over, at a multiple of 60,000 ms. */
  target(nowMs: number): PoolTarget {
    this.#advance(nowMs);
    return this.#target;
  }

  /** What was asked for in each of the last 7 days' minutes, oldest first: feed it to `replay` after a restart. */
  history(): number[] {
    return this.#model.counts;
  }

  /** A forecast that has seen these counts in the minutes before `nowMs`. Takes some 200 ms for 7 days. */
  static replay(settings: PoolForecastSettings, counts: readonly number[], nowMs: number): PoolForecast {
    const forecast = new PoolForecast(settings);
    forecast.#minute = Math.floor(nowMs / MINUTE_MS);
    for (const count of counts.slice(-MINUTES_AT_ONCE_MAX)) forecast.#minuteOver(count);
    return forecast;
  }

  #advance(nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    this.#minute ??= minute;
    // A longer silence leaves no history; it is not gone through minute by minute.
    this.#minute = Math.max(this.#minute, minute - MINUTES_AT_ONCE_MAX);
    while (this.#minute < minute) {
      this.#minuteOver(this.#count);
      this.#count = 0;
      this.#minute++;
    }
  }

  #minuteOver(count: number): void {
    this.#account(count);
    this.#demand = this.#model.minuteOver(count);
    this.#margin = this.#steer();
    const instances = this.#instancesAt(this.#margin);
    for (const { margin, pool } of this.#candidates) pool.bringTo(this.#instancesAt(margin));
    this.#own.bringTo(instances);
    this.#target = { instances, keep: this.#own.keep, why: this.#why(instances) };
  }

  #account(count: number): void {
    this.#minutes++;
    // What a model without experience missed tells nothing of the times to come.
    const forgotten = this.#minutes <= LEARNING_MINUTES ? 1 : FORGET_PER_MINUTE;
    this.#taken = this.#taken * (1 - forgotten) + count;
    for (const pool of [this.#own, ...this.#candidates.map((candidate) => candidate.pool)]) {
      pool.forget(forgotten);
      pool.minuteOver(count);
    }
  }

  /** @returns the margin that would have met the share with the fewest idle, where what was missed so far is to be made up for. */
  #steer(): Margin {
    if (this.#taken === 0 || this.#minutes <= LEARNING_MINUTES) return this.#margin;
    const share = (1 - this.#settings.hitShare) * (1 - RESERVE);
    const owed = this.#own.misses / this.#taken - share;
    const allowed = this.#taken * share * clamp(1 - (REPAY * owed) / share, MISSES_SHARE_MIN, MISSES_SHARE_MAX);
    const enough = this.#candidates.filter(({ pool }) => pool.misses <= allowed);
    const cheapest = enough.sort((a, b) => a.pool.idleMinutes - b.pool.idleMinutes)[0];
    return (cheapest ?? this.#candidates.at(-1))?.margin ?? this.#margin;
  }

  #instancesAt({ errors, evenness }: Margin): number {
    const { root, rootError, rootErrorOfDay } = this.#demand;
    const error = rootError ** (1 - evenness) * rootErrorOfDay ** evenness;
    return Math.round((root + errors * error) ** 2);
  }

  #why(instances: number): string {
    const { root } = this.#demand;
    const expected = (root ** 2).toFixed(1);
    const hits = (this.#settings.hitShare * 100).toFixed(1);
    return `${instances} for ${hits} % hits: ${expected} expected in ${this.#windowMinutes} min, ${this.#margin.errors.toFixed(1)} errors above`;
  }
}

const MINUTE_MS = 60_000;
const BOOT_MINUTES_MAX = 14;
const MINUTES_AT_ONCE_MAX = 7 * 1440 + 16;
const MARGIN_FIRST: Margin = { errors: 4, evenness: 0 };
const MARGINS: readonly Margin[] = [0, 0.5].flatMap((evenness) =>
  Array.from({ length: 50 }, (_, i) => ({ errors: 0.5 * 1.08 ** i, evenness })),
);
/** Half of a minute's weight is gone after 30 days. */
const FORGET_PER_MINUTE = Math.LN2 / (30 * 1440);
const LEARNING_MINUTES = 1440;
/** Of the misses that are allowed, for what was not foreseen. */
const RESERVE = 0.1;
/** Misses beyond the share are made up for within half of the time that is remembered. */
const REPAY = 2;
/** Bounds of the misses that are allowed from now on, relative to the share. */
const MISSES_SHARE_MIN = 0.7;
const MISSES_SHARE_MAX = 1.25;

/** How far above what is expected: so many `errors`, of the time of day or, with `evenness`, more those of the whole day. */
type Margin = { readonly errors: number; readonly evenness: number };

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
