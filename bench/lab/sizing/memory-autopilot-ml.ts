import type { MemoryRule } from "./memory-replay.ts";

const HOUR_MS = 3_600_000;
const BUCKETS = 60;
const DECAYS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const MARGINS = [0, 1];
const [OVERRUN, UNDERRUN, CHANGE] = [0.5, 0.25, 0.1];
const MODEL_DECAY = 0.75;

type Model = {
  readonly decay: number;
  readonly margin: number;
  overruns: Float64Array;
  underruns: Float64Array;
  limit: number;
  cost: number;
};

/**
 * Autopilot's ensemble after its public reimplementation: each model weighs overruns and underruns with a decay of its own and
 * picks the limit that costs least, and the model that cost least is followed. Limits are buckets of a sixtieth of the requested size.
 */
export const autopilotLearned: MemoryRule = {
  name: "Autopilot, learned models",
  isOurs: false,
  policyOf({ requestedMiB }) {
    const models: Model[] = DECAYS.flatMap((decay) =>
      MARGINS.map((margin) => ({
        decay,
        margin,
        overruns: new Float64Array(BUCKETS),
        underruns: new Float64Array(BUCKETS),
        limit: BUCKETS - 1,
        cost: 0,
      })),
    );
    let [window, chosen, limit, wasKilled] = [0, models[0] as Model, BUCKETS - 1, false];
    let counts = new Float64Array(BUCKETS);
    let seen = 0;
    function close(): void {
      for (const model of models) learn(model, counts, seen);
      const score = (model: Model) =>
        model.cost + (model === chosen ? 0 : CHANGE) + (model.limit === limit ? 0 : CHANGE);
      chosen = models.reduce((best, model) => (score(model) < score(best) ? model : best));
      limit = chosen.limit;
      [counts, seen] = [new Float64Array(BUCKETS), 0];
    }
    return {
      limitOf: () => (wasKilled ? requestedMiB : ((limit + 1) / BUCKETS) * requestedMiB),
      observe(peakMiB, _limitMiB, isKilled, nowMs) {
        const current = Math.floor(nowMs / HOUR_MS);
        if (current !== window && seen > 0) close();
        window = current;
        const bucket = Math.min(BUCKETS - 1, Math.floor((peakMiB / requestedMiB) * BUCKETS));
        counts[bucket] = (counts[bucket] as number) + 1;
        seen++;
        wasKilled = isKilled;
      },
    };
  },
};

function learn(model: Model, counts: Float64Array, seen: number): void {
  const { decay, overruns, underruns } = model;
  let above = seen;
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    above -= counts[bucket] as number;
    overruns[bucket] = (1 - decay) * (overruns[bucket] as number) + (decay * above) / seen;
    const below = seen - above - (counts[bucket] as number);
    underruns[bucket] = (1 - decay) * (underruns[bucket] as number) + (decay * below) / seen;
    const cost =
      OVERRUN * (overruns[bucket] as number) +
      UNDERRUN * (underruns[bucket] as number) +
      (bucket === model.limit ? 0 : CHANGE);
    if (cost < least) [best, least] = [bucket, cost];
  }
  model.limit = Math.min(BUCKETS - 1, best + model.margin);
  model.cost = MODEL_DECAY * model.cost + (1 - MODEL_DECAY) * least;
}
