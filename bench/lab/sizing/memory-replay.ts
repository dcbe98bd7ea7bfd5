import type { Random } from "../../../src/simulator/random.ts";
import { type MemoryProfile, needAt } from "./memory-profiles.ts";

/** How needs follow each other; the facts page names them. */
export const SCENARIOS = ["iid", "block", "step", "drift"] as const;
export type MemoryScenario = (typeof SCENARIOS)[number];

/** One function's life in the replay. */
export type Workload = {
  readonly requestedMiB: number;
  /** Of each execution, in order; they come evenly over a week. */
  readonly needsMiB: Float64Array;
};

export const EXECUTIONS = 4000;
export const EXECUTIONS_PER_CONTAINER = 10;
export const STEP_MS = (7 * 24 * 3_600_000) / EXECUTIONS;

/** Says the limit of each new container, and learns of every execution. One per function. */
export type MemoryPolicy = {
  /** MiB, asked once for each container. */
  limitOf(nowMs: number): number;
  /** @param peakMiB never above the limit: what was used until the kill. */
  observe(peakMiB: number, limitMiB: number, isKilled: boolean, nowMs: number): void;
};

/** A policy is told what was requested; the clairvoyant one looks at the needs too. */
export type MemoryRule = {
  readonly name: string;
  readonly isOurs: boolean;
  readonly policyOf: (workload: Workload) => MemoryPolicy;
};

export type MemoryOutcome = {
  readonly executions: number;
  readonly usedMiB: number;
  readonly limitMiB: number;
  readonly kills: number;
  readonly changes: number;
};

const BLOCK = 100;
const BLOCK_WEIGHT = 0.9;
const RERUNS_MAX = 20;

export function workloadOf(profile: MemoryProfile, scenario: MemoryScenario, random: Random): Workload {
  const needsMiB = new Float64Array(EXECUTIONS);
  let level = 0;
  for (let i = 0; i < EXECUTIONS; i++) {
    if (i % BLOCK === 0) level = normal(random);
    const share =
      scenario === "block"
        ? normalShare(Math.sqrt(BLOCK_WEIGHT) * level + Math.sqrt(1 - BLOCK_WEIGHT) * normal(random))
        : random.next();
    needsMiB[i] = needAt(profile, share) * growth(scenario, i / EXECUTIONS);
  }
  const most = needsMiB.reduce((max, need) => Math.max(max, need), 0);
  return { requestedMiB: standardAbove(most * random.pick([1, 1.5, 2, 3])), needsMiB };
}

function growth(scenario: MemoryScenario, elapsed: number): number {
  if (scenario === "drift") return 1 + 0.6 * elapsed;
  return scenario === "step" && elapsed >= 0.5 ? 1.4 : 1;
}

/** Sizes that people pick. */
const STANDARD_MIB = [128, 256, 384, 512, 768, 1024, 1536, 2048, 3008, 4096, 6144, 8192, 10240];

export function standardAbove(needMiB: number): number {
  return STANDARD_MIB.find((size) => size >= needMiB) ?? Math.ceil(needMiB);
}

/** An execution that needs more than its container's limit is killed, ends the container, and runs again in the next one. */
export function replayMemory({ needsMiB }: Workload, policy: MemoryPolicy): MemoryOutcome {
  let [executions, usedMiB, limits, kills, changes] = [0, 0, 0, 0, 0];
  let [limitMiB, left] = [0, 0];
  const renew = (nowMs: number) => {
    const next = policy.limitOf(nowMs);
    if (limitMiB > 0 && next !== limitMiB) changes++;
    [limitMiB, left] = [next, EXECUTIONS_PER_CONTAINER];
  };
  for (let i = 0; i < needsMiB.length; i++) {
    const [need, nowMs] = [needsMiB[i] as number, i * STEP_MS];
    for (let run = 0; run <= RERUNS_MAX; run++) {
      if (left === 0) renew(nowMs);
      const isKilled = need > limitMiB;
      const peak = isKilled ? limitMiB : need;
      executions++;
      usedMiB += peak;
      limits += limitMiB;
      left--;
      policy.observe(peak, limitMiB, isKilled, nowMs);
      if (!isKilled) break;
      kills++;
      left = 0;
    }
  }
  return { executions, usedMiB, limitMiB: limits, kills, changes };
}

/** Standard normal (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Of the standard normal distribution: Abramowitz and Stegun 7.1.26, within 1e-7. */
function normalShare(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const erf =
    1 -
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return z < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}
