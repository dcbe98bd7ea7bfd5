import type { KeepAlivePolicy, Plan } from "./replay.ts";

const MINUTE_MS = 60_000;
const BINS = 240;
const CV_MIN = 2;
const FORECAST_SAMPLES = 20;

/**
 * The hybrid histogram of "Serverless in the Wild" (Shahrad et al., ATC'20), as `facts/pools.md` has it: per application 240
 * one-minute bins of idle time. Counts that stand out (CV of the bins at least 2): unload, be there again at 0.9 × the 5th
 * percentile, stay until 1.1 × the 99th. Else, or with fewer than 2 samples: stay 240 minutes. Mostly beyond the last bin: a
 * forecast, for which the mean of the last 20 gaps stands in for ARIMA. A 5th percentile in the first bin: not unloaded.
 */
export function hybridHistogram(functionCount: number): KeepAlivePolicy {
  const histograms = Array.from({ length: functionCount }, () => new Histogram());
  return {
    arrived(fn, rank, idleSinceMs, nowMs) {
      if (rank === 0 && idleSinceMs >= 0) (histograms[fn] as Histogram).add(nowMs - idleSinceMs);
    },
    plan(fn, _rank, idleSinceMs, nowMs, plan) {
      (histograms[fn] as Histogram).plan(idleSinceMs, nowMs, plan);
    },
  };
}

class Histogram {
  readonly #counts = new Float64Array(BINS);
  readonly #recentMs: number[] = [];
  #inBounds = 0;
  #outOfBounds = 0;
  #sumOfSquares = 0;

  add(idleMs: number): void {
    this.#recentMs.push(idleMs);
    if (this.#recentMs.length > FORECAST_SAMPLES) this.#recentMs.shift();
    const bin = Math.floor(idleMs / MINUTE_MS);
    if (bin >= BINS) {
      this.#outOfBounds++;
      return;
    }
    const before = this.#counts[bin] as number;
    this.#counts[bin] = before + 1;
    this.#sumOfSquares += 2 * before + 1;
    this.#inBounds++;
  }

  plan(idleSinceMs: number, nowMs: number, plan: Plan): void {
    const [fromMs, untilMs] = this.#windowMs();
    const isAskedAgain = nowMs > idleSinceMs;
    plan.keepUntilMs = fromMs === 0 || isAskedAgain ? idleSinceMs + untilMs : nowMs;
    plan.prewarmAtMs = fromMs === 0 || isAskedAgain ? Infinity : idleSinceMs + fromMs;
    if (plan.prewarmAtMs <= nowMs) plan.keepUntilMs = idleSinceMs + untilMs;
  }

  /** When the container is there, from the end of the call. */
  #windowMs(): readonly [fromMs: number, untilMs: number] {
    const samples = this.#inBounds + this.#outOfBounds;
    if (samples >= 2 && this.#outOfBounds > samples / 2) {
      const meanMs = this.#recentMs.reduce((a, b) => a + b, 0) / this.#recentMs.length;
      return [0.85 * meanMs, 1.15 * meanMs];
    }
    if (samples < 2 || this.#variation() < CV_MIN) return [0, BINS * MINUTE_MS];
    const head = this.#percentileBin(0.05);
    const tail = this.#percentileBin(0.99) + 1;
    const fromMs = head <= 1 ? 0 : 0.9 * head * MINUTE_MS;
    return [fromMs, Math.min(BINS, 1.1 * tail) * MINUTE_MS];
  }

  /** Standard deviation of the bins' counts by their mean. */
  #variation(): number {
    const mean = this.#inBounds / BINS;
    if (mean === 0) return 0;
    return Math.sqrt(Math.max(0, this.#sumOfSquares / BINS - mean * mean)) / mean;
  }

  #percentileBin(share: number): number {
    const wanted = share * this.#inBounds;
    let seen = 0;
    for (let bin = 0; bin < BINS; bin++) {
      seen += this.#counts[bin] as number;
      if (seen >= wanted && seen > 0) return bin;
    }
    return BINS - 1;
  }
}
