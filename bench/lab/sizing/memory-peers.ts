import { LogHistogram } from "./log-histogram.ts";
import type { MemoryPolicy, MemoryRule, Workload } from "./memory-replay.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What was asked for, for ever. */
export const requested: MemoryRule = {
  name: "requested size",
  isOurs: false,
  policyOf: ({ requestedMiB }) => ({ limitOf: () => requestedMiB, observe: () => {} }),
};

/** The smallest limit that never kills, known from the start: nobody can have it. */
export const clairvoyant: MemoryRule = {
  name: "clairvoyant static maximum",
  isOurs: false,
  policyOf({ needsMiB }) {
    const most = needsMiB.reduce((max, need) => Math.max(max, need), 0);
    return { limitOf: () => most, observe: () => {} };
  },
};

/** The simple rule: the running maximum and so much on top, after 50 executions; what was killed runs again at the requested size. */
export function runningMaximum(margin: number): MemoryRule {
  return {
    name: `running maximum + ${Math.round(margin * 100)} %`,
    isOurs: false,
    policyOf({ requestedMiB }) {
      let [most, count, wasKilled] = [0, 0, false];
      return {
        limitOf: () => (count < 50 || wasKilled ? requestedMiB : Math.min(requestedMiB, most * (1 + margin))),
        observe(peakMiB, _limitMiB, isKilled) {
          most = Math.max(most, peakMiB);
          count++;
          wasKilled = isKilled;
        },
      };
    },
  };
}

/**
 * Kubernetes' Vertical Pod Autoscaler with its defaults: a decaying histogram of each container's peak (one in 24 h), target
 * p90 · 1.15, at least 250 MiB; an OOM counts as max(m + 100 MiB, 1.2 · m). New containers always get the target.
 */
export const verticalPodAutoscaler: MemoryRule = {
  name: "Kubernetes VPA, defaults",
  isOurs: false,
  policyOf({ requestedMiB }) {
    const histogram = new LogHistogram({ firstMiB: 10, growth: 1.05, halfLifeMs: DAY_MS, edge: "end" });
    let [interval, peakMiB] = [-1, 0];
    function sample(value: number, nowMs: number): void {
      const current = Math.floor(nowMs / DAY_MS);
      if (current !== interval) [interval, peakMiB] = [current, 0];
      if (value <= peakMiB) return;
      if (peakMiB > 0) histogram.add(peakMiB, nowMs, -1);
      histogram.add(value, nowMs);
      peakMiB = value;
    }
    return {
      limitOf() {
        peakMiB = 0;
        return histogram.isEmpty ? requestedMiB : Math.max(250, histogram.quantile(0.9) * 1.15);
      },
      observe(peak, limit, isKilled, nowMs) {
        if (!isKilled) return sample(peak, nowMs);
        const base = Math.max(limit, peakMiB);
        sample(Math.max(base + 100, base * 1.2), nowMs);
      },
    };
  },
};

/**
 * Autopilot's moving window: peaks of 5-minute windows with a half-life of 48 h, a quantile or the maximum of them,
 * 12 % on top, and the largest of the last hour's recommendations. The first hour runs at the requested
 * size, and so does what was killed.
 */
export function autopilotWindow(name: string, share: number): MemoryRule {
  return { name, isOurs: false, policyOf: (workload) => autopilotPolicy(workload, share) };
}

function autopilotPolicy({ requestedMiB }: Workload, share: number): MemoryPolicy {
  const windowMs = 5 * 60_000;
  const histogram = new LogHistogram({ firstMiB: 1, growth: 1.02, halfLifeMs: 48 * HOUR_MS, edge: "end" });
  const recent: { atMs: number; limitMiB: number }[] = [];
  let [most, window, peakMiB, wasKilled] = [0, 0, 0, false];
  function close(nowMs: number): void {
    if (peakMiB > 0) histogram.add(peakMiB, nowMs);
    const limitMiB = (share === 1 ? most : Math.min(most, histogram.quantile(share))) * 1.12;
    recent.push({ atMs: nowMs, limitMiB });
    while ((recent[0]?.atMs ?? nowMs) < nowMs - HOUR_MS) recent.shift();
    peakMiB = 0;
  }
  return {
    limitOf(nowMs) {
      if (nowMs < HOUR_MS || recent.length === 0 || wasKilled) return requestedMiB;
      return Math.min(requestedMiB, Math.max(...recent.map(({ limitMiB }) => limitMiB)));
    },
    observe(peak, _limit, isKilled, nowMs) {
      const current = Math.floor(nowMs / windowMs);
      if (current !== window) close(nowMs);
      window = current;
      peakMiB = Math.max(peakMiB, peak);
      most = Math.max(most, peak);
      wasKilled = isKilled;
    },
  };
}

/**
 * A proxy of AWS Compute Optimizer, whose size rule is not published: daily, from 50 executions on and only for
 * functions of at most 1,792 MB, the largest use in 14 days / 0.8.
 */
export const computeOptimizerProxy: MemoryRule = {
  name: "AWS Compute Optimizer (a proxy)",
  isOurs: false,
  policyOf({ requestedMiB }) {
    let [most, count, day, limitMiB] = [0, 0, 0, requestedMiB];
    return {
      limitOf(nowMs) {
        const today = Math.floor(nowMs / DAY_MS);
        if (today !== day && requestedMiB <= 1792 && count >= 50) limitMiB = Math.max(128, Math.ceil(most / 0.8));
        day = today;
        return limitMiB;
      },
      observe(peakMiB, limit, isKilled) {
        most = Math.max(most, peakMiB);
        count++;
        // It recommends; whoever applied it would go back after a failure.
        if (isKilled) limitMiB = Math.max(limit, requestedMiB);
      },
    };
  },
};

/**
 * The proposal of the facts page: max · (1.02 + 0.40 f) + 0.2 (max − median) √f + 4 MiB with f = 50 / max(n, 50), from 50
 * executions on; after a kill the requested size for 600 executions. 5 % hysteresis, three containers between changes.
 */
export const factsProposal: MemoryRule = {
  name: "proposal of the facts page",
  isOurs: false,
  policyOf({ requestedMiB }) {
    const histogram = new LogHistogram({ firstMiB: 4, growth: 1.02, halfLifeMs: 48 * HOUR_MS, edge: "middle" });
    let [most, count, heldUntil, limitMiB, sinceChange] = [0, 0, 0, requestedMiB, 0];
    let total = 0;
    return {
      limitOf() {
        if (count < 50 || total < heldUntil) return limitMiB;
        const rarity = 50 / Math.max(50, count);
        const spread = Math.max(0, most - histogram.quantile(0.5));
        const target = Math.min(requestedMiB, most * (1.02 + 0.4 * rarity) + 0.2 * spread * Math.sqrt(rarity) + 4);
        sinceChange++;
        if (Math.abs(target / limitMiB - 1) < 0.05 || (sinceChange < 3 && target < limitMiB)) return limitMiB;
        [limitMiB, sinceChange] = [target, 0];
        return limitMiB;
      },
      observe(peakMiB, _limitMiB, isKilled, nowMs) {
        total++;
        if (isKilled) {
          [count, heldUntil, limitMiB] = [0, total + 600, requestedMiB];
          return;
        }
        count++;
        most = Math.max(most, peakMiB);
        histogram.add(peakMiB, nowMs);
      },
    };
  },
};
