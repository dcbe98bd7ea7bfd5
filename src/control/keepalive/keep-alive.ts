import { BIN_COUNT, binOf, binStartMs } from "./gap-bins.ts";
import { GapHistory } from "./gap-history.ts";
import { GapPrior, type UsualGaps } from "./gap-prior.ts";
import { MemoryPrice } from "./memory-price.ts";
import { USUAL_GAPS } from "./usual-gaps.ts";
import { planWarmth } from "./warm-plan.ts";

/** Every number that keep-alive decides by. */
export type KeepAliveSettings = {
  /** Idle memory that is wanted on average, over all functions; undefined: memory has its usual price, and as much is kept as is worth it. */
  readonly budgetMiB: number | undefined;
  /** Multiplies the price of idle memory; with a budget, where steering begins. */
  readonly priceMultiplier: number;
  /** What a second of a caller's waiting is worth in idle memory. FeMux: 99.69 GB·s. */
  readonly gibSecondsPerColdSecond: number;
  /** What a prewarm costs, as waiting time: a start that may be for nothing. */
  readonly prewarmCostMs: number;
  /** Functions that are remembered; beyond, those are forgotten that were not called for longest, about. */
  readonly functionsMax: number;
  /** What is known of functions in general before any was seen; undefined: nothing. */
  readonly usualGaps: UsualGaps | undefined;
};

export const DEFAULT_KEEP_ALIVE: KeepAliveSettings = {
  budgetMiB: undefined,
  priceMultiplier: 1,
  gibSecondsPerColdSecond: 99.69,
  prewarmCostMs: 100,
  functionsMax: 200_000,
  usualGaps: USUAL_GAPS,
};

/** What becomes of an idle container. Times are those of the caller's clock, never before `nowMs`; Infinity: never. */
export type Plan = {
  /** Then it leaves; `nowMs`: at once. */
  keepUntilMs: number;
  /** If no call has come by then, a container is prewarmed, and `plan` is asked again once it is there. */
  prewarmAtMs: number;
};

export type IdleContainer = {
  readonly functionKey: string;
  /**
   * How many calls of its function run, or hold a container, before it gets one: 0 for the container that the next single call uses. Containers of
   * one function are alike, so the most recently used is given the lowest free rank.
   */
  readonly rank: number;
  readonly memoryMiB: number;
  /** What a cold start of the function takes. */
  readonly coldMs: number;
};

/** Ranks above share the last history. */
const RANKS_MAX = 8;
/** Gaps of a function that its prior counts for, at any age. */
const PRIOR_TRUST = 3;
/** From this many gaps on a plan serves for several calls: what is known changes slowly. */
const REUSED_FROM = 64;
/** How far ahead a container's worth is looked for. */
const VALUE_HORIZON_MS = 600_000;
/** Candidates that are looked at when a function has to be forgotten. */
const FORGET_TRIES = 8;

/**
 * Decides per function how long an idle container stays and when one is prewarmed: it is warm when the chance that a call comes, times
 * what a cold start costs, exceeds what its memory costs meanwhile. See docs/design/0010-keep-alive.md.
 *
 * Time is what the caller passes in, in ms, and never runs backwards; the same calls give the same plans.
 */
export class KeepAlive {
  readonly #settings: KeepAliveSettings;
  readonly #price: MemoryPrice;
  readonly #prior: GapPrior;
  readonly #functions = new Map<string, Known[]>();
  readonly #hazards = new Float64Array(BIN_COUNT);
  readonly #weights = new Float64Array(BIN_COUNT);

  constructor(settings: KeepAliveSettings) {
    this.#settings = settings;
    this.#price = new MemoryPrice(settings.priceMultiplier, settings.budgetMiB);
    this.#prior = new GapPrior(settings.usualGaps);
  }

  /** What idle memory costs now, as a multiple of its usual price. */
  get priceMultiplier(): number {
    return this.#price.multiplier;
  }

  get functionCount(): number {
    return this.#functions.size;
  }

  /** A call of the function came while `rank` others of it ran. */
  arrived(functionKey: string, rank: number, nowMs: number): void {
    const { history } = this.#known(functionKey, rank);
    if (history.lastCallMs >= 0) {
      const gapMs = Math.max(0, nowMs - history.lastCallMs);
      this.#prior.learn(history, gapMs);
      history.add(gapMs);
    }
    history.lastCallMs = nowMs;
  }

  /**
   * Asked when a container turns idle, and when one that was prewarmed is ready.
   * @param isPrewarmed it was started for the time that is now and stays for a moment at least.
   */
  plan(container: IdleContainer, isPrewarmed: boolean, nowMs: number): Plan {
    const known = this.#known(container.functionKey, container.rank);
    const { history } = known;
    const lastCallMs = history.lastCallMs < 0 ? nowMs : history.lastCallMs;
    if (!isPrewarmed && known.reusesLeft > 0 && known.multiplier === this.#price.multiplier) {
      known.reusesLeft--;
      return this.#planAt(known, container, lastCallMs, nowMs);
    }
    const { gibSecondsPerColdSecond, prewarmCostMs } = this.#settings;
    const costs = {
      idlePerS: (container.memoryMiB / 1024) * this.#price.multiplier,
      coldStart: (container.coldMs / 1000) * gibSecondsPerColdSecond,
      prewarm: (prewarmCostMs / 1000) * gibSecondsPerColdSecond,
    };
    this.#estimate(history);
    const ageMs = nowMs - lastCallMs;
    const plan = planWarmth(this.#hazards, costs, isPrewarmed ? ageMs + container.coldMs + 1 : ageMs, isPrewarmed);
    known.keepForMs = plan.keepUntilMs;
    known.prewarmAfterMs = plan.prewarmAtMs;
    known.multiplier = this.#price.multiplier;
    known.reusesLeft = !isPrewarmed && history.seen >= REUSED_FROM ? Math.floor(Math.min(history.seen, 1024) / 32) : 0;
    return this.#planAt(known, container, lastCallMs, nowMs);
  }

  /**
   * What an idle container is worth per MiB: cold start time that it is likely to save soon, in ms. Under memory pressure the least
   * valuable goes first.
   */
  valueOf(container: IdleContainer, nowMs: number): number {
    const history = this.#functions.get(container.functionKey)?.[Math.min(container.rank, RANKS_MAX - 1)]?.history;
    if (history === undefined || history.lastCallMs < 0) return 0;
    this.#estimate(history);
    const ageMs = nowMs - history.lastCallMs;
    let stillIdle = 1;
    for (let bin = binOf(ageMs); bin < BIN_COUNT && binStartMs(bin) <= ageMs + VALUE_HORIZON_MS; bin++) {
      stillIdle *= 1 - (this.#hazards[bin] as number);
    }
    return ((1 - stillIdle) * container.coldMs) / Math.max(1, container.memoryMiB);
  }

  /**
   * Called once a minute with the memory of all idle containers: moves the price towards the budget.
   * @param budgetMiB in the place of the settings', when it depends on what there is.
   */
  steer(idleMiB: number, budgetMiB?: number): void {
    this.#price.steer(idleMiB, budgetMiB);
  }

  /** The function is gone: updated or deleted. */
  forget(functionKey: string): void {
    this.#functions.delete(functionKey);
  }

  /** What was learned of functions in general, to begin with the next time. */
  usualGaps(): UsualGaps {
    return this.#prior.usual();
  }

  /** What the function's histories take. */
  bytesOf(functionKey: string): number {
    const known = this.#functions.get(functionKey) ?? [];
    return known.reduce((sum, { history }) => sum + history.bytes + OBJECT_BYTES, 0);
  }

  /** Hazard of each bin: the function's own gaps, and behind them the prior, which counts for a few gaps at every age. */
  #estimate(history: GapHistory): void {
    const [hazards, weights] = [this.#hazards, this.#weights];
    this.#prior.hazards(history, hazards);
    history.spread(weights);
    let left = history.weight;
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      const here = weights[bin] as number;
      hazards[bin] = Math.min(1, (here + PRIOR_TRUST * (hazards[bin] as number)) / (Math.max(left, 0) + PRIOR_TRUST));
      left -= here;
    }
    history.wipe(weights);
  }

  #planAt(known: Known, { coldMs }: IdleContainer, lastCallMs: number, nowMs: number): Plan {
    const keepUntilMs = Math.max(nowMs, lastCallMs + known.keepForMs);
    return { keepUntilMs, prewarmAtMs: Math.max(keepUntilMs, lastCallMs + known.prewarmAfterMs - coldMs) };
  }

  #known(functionKey: string, rank: number): Known {
    let ranks = this.#functions.get(functionKey);
    if (ranks === undefined) {
      if (this.#functions.size >= this.#settings.functionsMax) this.#forgetOne();
      ranks = [];
      this.#functions.set(functionKey, ranks);
    }
    const last = Math.min(rank, RANKS_MAX - 1);
    while (ranks.length <= last) ranks.push(new Known());
    return ranks[last] as Known;
  }

  /** Of the few that were looked at or added longest ago, the one that was not called for longest. */
  #forgetOne(): void {
    let oldest: string | undefined;
    let oldestMs = Infinity;
    let tries = 0;
    for (const [functionKey, ranks] of this.#functions) {
      if (tries++ === FORGET_TRIES) break;
      const lastCallMs = ranks[0]?.history.lastCallMs ?? -1;
      if (lastCallMs < oldestMs) [oldest, oldestMs] = [functionKey, lastCallMs];
      // Moves to the end: the next time others are looked at.
      this.#functions.delete(functionKey);
      this.#functions.set(functionKey, ranks);
    }
    if (oldest !== undefined) this.#functions.delete(oldest);
  }
}

/** Objects, views and the share of the map besides, as measured with 100,000 functions. */
const OBJECT_BYTES = 1100;

/** One rank of one function: its gaps, and the plan that was made last. */
class Known {
  readonly history = new GapHistory();
  keepForMs = 0;
  prewarmAfterMs = Infinity;
  multiplier = 0;
  reusesLeft = 0;
}
