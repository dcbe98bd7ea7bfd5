import type { Random } from "../../../src/simulator/random.ts";
import { STEP_MS } from "./market.ts";

/** Prices relative to a fixed instance's hour, and the times of the facts page. */
export const TERMS = {
  spotPrice: 0.3,
  fixedPrice: 1,
  noticeMs: 120_000,
  /** Of a stopped or hibernated fixed instance. */
  standbyBootMs: 60_000,
  /** Of a new instance, spot or fixed. */
  launchMs: 120_000,
} as const;

/** A capacity pool: what it could hold at each step, and how long its instances live if not as long as that. */
export type SpotPool = {
  readonly capacity: Float64Array;
  /** Each instance draws one of these; undefined: it lives until the pool has less than it gave. */
  readonly lifetimesMs?: readonly number[];
};

export type Faults = {
  /** Share of notices that never come. */
  readonly lostShare: number;
  /** The others come up to this late. */
  readonly lateMsMax: number;
};

export type SpotInstance = {
  readonly pool: number;
  readonly launchedMs: number;
  readonly readyMs: number;
  /** When its own life ends, which nobody knows; Infinity: never. */
  readonly leaveMs: number;
  /** When it will be gone, known to the world since it was chosen. */
  endMs: number | undefined;
  /** From when on the policy knows of it; Infinity: never. */
  noticedMs: number;
};

export type FixedInstance = { readonly readyMs: number };

/** What a policy sees, and all that it can do. */
export type SpotView = {
  readonly nowMs: number;
  /** Instances that are needed until a launch from now would be ready. */
  readonly neededCount: number;
  readonly poolCount: number;
  readonly spot: readonly SpotInstance[];
  readonly fixed: readonly FixedInstance[];
  /** Asks a pool for one instance. @returns whether there was one. */
  launchSpot(pool: number): boolean;
  giveUpSpot(instance: SpotInstance): void;
  /** A standby instance while there is one of `standbyCount`, else a new one. */
  startFixed(isStandby: boolean): void;
  stopFixed(): void;
};

/** A rule for instances on spot and fixed capacity. Made anew for each replay. */
export type SpotRule = {
  step(view: SpotView): void;
  /** Since the last step; a notice tells `instance.endMs`. */
  onNotice?(instance: SpotInstance, nowMs: number): void;
  /** It is gone; `noticed`: that was known before. */
  onGone?(instance: SpotInstance, wasNoticed: boolean, nowMs: number): void;
  onReady?(instance: SpotInstance): void;
};

export type SpotOutcome = {
  /** Of the instances that were needed, the share of the time in which one was ready. */
  readonly readyShare: number;
  /** Relative to fixed instances only, without their boot. */
  readonly cost: number;
  readonly lossCount: number;
  readonly launchCount: number;
  readonly refusalCount: number;
};

/**
 * Replays the pools' capacity. All instances that are needed at first are fixed and ready. A pool grants a launch while it has room
 * now and when a notice from now would end; when it will have less than it gave, instances drawn at random get their notice.
 */
export function replaySpot(
  pools: readonly SpotPool[],
  needed: Float64Array,
  rule: SpotRule,
  faults: Faults,
  random: Random,
): SpotOutcome {
  const world = new World(pools, needed, rule, faults, random);
  for (let step = 0; step < needed.length; step++) world.step(step);
  return world.outcome();
}

class World implements SpotView {
  readonly poolCount: number;
  spot: SpotInstance[] = [];
  fixed: FixedInstance[] = [];
  nowMs = 0;
  neededCount = 0;
  readonly #pools: readonly SpotPool[];
  readonly #needed: Float64Array;
  readonly #rule: SpotRule;
  readonly #faults: Faults;
  readonly #random: Random;
  #step = 0;
  #ready = 0;
  #asked = 0;
  #cost = 0;
  #losses = 0;
  #launches = 0;
  #refusals = 0;

  constructor(pools: readonly SpotPool[], needed: Float64Array, rule: SpotRule, faults: Faults, random: Random) {
    this.poolCount = pools.length;
    this.#pools = pools;
    this.#needed = needed;
    this.#rule = rule;
    this.#faults = faults;
    this.#random = random;
    for (let i = 0; i < (needed[0] ?? 0); i++) this.fixed.push({ readyMs: 0 });
  }

  step(step: number): void {
    this.#step = step;
    this.nowMs = step * STEP_MS;
    const leadSteps = Math.ceil(TERMS.launchMs / STEP_MS);
    this.neededCount = 0;
    for (let i = step; i <= step + leadSteps; i++) this.neededCount = Math.max(this.neededCount, this.#needed[i] ?? 0);
    this.#reclaim();
    this.#tell();
    this.#rule.step(this);
    this.#account();
  }

  outcome(): SpotOutcome {
    return {
      readyShare: this.#ready / this.#asked,
      cost: this.#cost / this.#asked,
      lossCount: this.#losses,
      launchCount: this.#launches,
      refusalCount: this.#refusals,
    };
  }

  launchSpot(pool: number): boolean {
    const held = this.#heldIn(pool);
    const hasRoom = held.all < this.#capacity(pool, 0) && held.staying < this.#capacity(pool, TERMS.noticeMs);
    if (!hasRoom) {
      this.#refusals++;
      return false;
    }
    this.#launches++;
    const readyMs = this.nowMs + TERMS.launchMs;
    const lifetimes = this.#pools[pool]!.lifetimesMs;
    const lifetimeMs = lifetimes?.[this.#random.int(0, lifetimes.length - 1)] ?? Number.POSITIVE_INFINITY;
    const leaveMs = this.nowMs + Math.max(STEP_MS, Math.round(lifetimeMs / STEP_MS) * STEP_MS);
    this.spot.push({
      pool,
      launchedMs: this.nowMs,
      readyMs,
      leaveMs,
      endMs: undefined,
      noticedMs: Number.POSITIVE_INFINITY,
    });
    return true;
  }

  giveUpSpot(instance: SpotInstance): void {
    this.spot = this.spot.filter((other) => other !== instance);
  }

  startFixed(isStandby: boolean): void {
    this.fixed.push({ readyMs: this.nowMs + (isStandby ? TERMS.standbyBootMs : TERMS.launchMs) });
  }

  /** The one that would be ready last. */
  stopFixed(): void {
    const latest = this.fixed.reduce((last, { readyMs }) => Math.max(last, readyMs), 0);
    this.fixed.splice(
      this.fixed.findIndex(({ readyMs }) => readyMs === latest),
      1,
    );
  }

  #reclaim(): void {
    for (const instance of this.spot) {
      if (instance.endMs === undefined && instance.leaveMs <= this.nowMs + TERMS.noticeMs) {
        this.#notify(instance, Math.max(this.nowMs + STEP_MS, instance.leaveMs));
      }
    }
    for (let pool = 0; pool < this.poolCount; pool++) {
      let excess = this.#heldIn(pool).staying - this.#capacity(pool, TERMS.noticeMs);
      while (excess-- > 0) {
        const staying = this.spot.filter((instance) => instance.pool === pool && instance.endMs === undefined);
        const victim = staying[this.#random.int(0, staying.length - 1)]!;
        this.#notify(victim, this.nowMs + TERMS.noticeMs);
      }
    }
  }

  #notify(instance: SpotInstance, endMs: number): void {
    instance.endMs = endMs;
    const isLost = this.#random.next() < this.#faults.lostShare;
    const lateSteps = this.#random.int(0, Math.floor(this.#faults.lateMsMax / STEP_MS));
    const noticedMs = this.nowMs + lateSteps * STEP_MS;
    instance.noticedMs = isLost || noticedMs >= endMs ? Number.POSITIVE_INFINITY : noticedMs;
    this.#losses++;
  }

  #tell(): void {
    for (const instance of this.spot) {
      if (instance.noticedMs === this.nowMs) this.#rule.onNotice?.(instance, this.nowMs);
      if (instance.endMs === this.nowMs) this.#rule.onGone?.(instance, instance.noticedMs <= this.nowMs, this.nowMs);
      else if (instance.readyMs === this.nowMs) this.#rule.onReady?.(instance);
    }
    this.spot = this.spot.filter(({ endMs }) => endMs !== this.nowMs);
  }

  #account(): void {
    const isReady = ({ readyMs }: { readonly readyMs: number }) => readyMs <= this.nowMs;
    const needed = this.#needed[this.#step]!;
    this.#asked += needed;
    this.#ready += Math.min(needed, this.spot.filter(isReady).length + this.fixed.filter(isReady).length);
    this.#cost += this.spot.length * TERMS.spotPrice + this.fixed.length * TERMS.fixedPrice;
  }

  #heldIn(pool: number): { all: number; staying: number } {
    let [all, staying] = [0, 0];
    for (const instance of this.spot) {
      if (instance.pool !== pool) continue;
      all++;
      if (instance.endMs === undefined) staying++;
    }
    return { all, staying };
  }

  /** Traces that are shorter than the replay begin again. */
  #capacity(pool: number, inMs: number): number {
    const { capacity } = this.#pools[pool]!;
    return capacity[(this.#step + inMs / STEP_MS) % capacity.length]!;
  }
}
