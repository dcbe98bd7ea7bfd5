import type { SubPool } from "../../model/instance.ts";
import { PoolForecast } from "../forecast/pool-target.ts";
import type { Market } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import type { Reclaims } from "./reclaims.ts";

/** How many instances a sub-pool shall have ready or launching, and why. */
export type WarmingTarget = {
  readonly instances: number;
  /** More than these are surplus. */
  readonly keep: number;
  readonly why: string;
};

/**
 * The size of each warming sub-pool (A13): what history says will be taken, within the operator's bounds; more for a while
 * when instances are taken faster than usual; and one for each that is about to be taken away.
 */
export class WarmingTargets {
  readonly #settings: Settings;
  readonly #market: Market;
  readonly #reclaims: Reclaims;
  readonly #forecasts: { readonly [subPool in SubPool]: PoolForecast };
  /** When the last instances were taken, as many as make a burst. */
  readonly #takes: { readonly [subPool in SubPool]: number[] } = { fixed: [], variable: [] };
  readonly #burstEndsMs: { [subPool in SubPool]: number } = { fixed: 0, variable: 0 };

  constructor(settings: Settings, market: Market, reclaims: Reclaims) {
    this.#settings = settings;
    this.#market = market;
    this.#reclaims = reclaims;
    const forecast = { bootMs: settings.launchMsTypical, hitShare: settings.warmingHitShare };
    this.#forecasts = { fixed: new PoolForecast(forecast), variable: new PoolForecast(forecast) };
  }

  /** An instance of the sub-pool was asked for, whether one was there or not. */
  taken(subPool: SubPool, nowMs: number): void {
    this.#forecasts[subPool].observe(nowMs, 1);
    const { burstTakes, burstWindowMs, burstMs } = this.#settings;
    const takes = this.#takes[subPool];
    takes.push(nowMs);
    if (takes.length > burstTakes) takes.shift();
    const isBurst = takes.length === burstTakes && nowMs - (takes[0] ?? nowMs) <= burstWindowMs;
    if (isBurst) this.#burstEndsMs[subPool] = nowMs + burstMs;
  }

  of(subPool: SubPool, nowMs: number): WarmingTarget {
    const { min, max } = this.#settings.warming[subPool];
    if (subPool === "variable" && !this.#market.isVariableWanted) return NOTHING;
    const forecast = this.#forecasts[subPool].target(nowMs);
    const burst = nowMs < this.#burstEndsMs[subPool] ? this.#settings.burstExtra : 0;
    const replacements = this.#reclaims.replacementsIn(subPool);
    const standby = subPool === "fixed" ? Math.min(this.#settings.standbyMax, this.#reclaims.standbyWanted()) : 0;
    const bounded = (instances: number) =>
      Math.max(standby, Math.min(max, Math.max(min, instances) + burst)) + replacements;
    const why =
      replacements > 0
        ? `${replacements} instances are about to be taken away`
        : burst > 0
          ? "instances are taken faster than usual"
          : standby > Math.max(min, forecast.instances)
            ? `${standby} stand by for variable instances that may be taken away together`
            : forecast.instances > min
              ? forecast.why
              : `at least ${min} shall be ready`;
    return { instances: bounded(forecast.instances), keep: bounded(Math.max(forecast.keep, forecast.instances)), why };
  }
}

const NOTHING: WarmingTarget = { instances: 0, keep: 0, why: "no account may use it" };
