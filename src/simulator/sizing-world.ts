import { SIZING_POLICIES, type SizingSettings } from "../model/sizing.ts";
import type { Random } from "./random.ts";

/** How much memory executions of a function really need. */
export type NeedTraits = {
  /** Of most executions. */
  readonly medianMiB: number;
  /** Executions lie within this share above and below it. */
  readonly spread: number;
  /** Executions that need `tailFactor` as much. */
  readonly tailShare: number;
  readonly tailFactor: number;
  /** From this execution on all need `stepFactor` as much; Infinity: never. */
  readonly stepAtExecution: number;
  readonly stepFactor: number;
  /** Of a duration at the requested CPU, the share that is one thread's computing; undefined: CPU changes no durations. */
  readonly computedShare?: number | undefined;
};

/** What is said of sizes in a made-up world. */
export type SizingWorld = {
  readonly settings: Partial<SizingSettings>;
  /** Of the limits that would have to be raised for an execution to live, those for which the instance has room. */
  readonly rescuedShare: number;
  /** Executions that wait for memory without being killed. */
  readonly stalledShare: number;
  /** What an idle container still holds of what its last execution needed. */
  readonly idleShare: number;
  /** Mean time between two changes of what is said of some sizes; Infinity: never. */
  readonly changeMsMean: number;
  /** How often what was learned is stored, which is as much as a killed server loses; Infinity: each server learns anew. */
  readonly storeMs: number;
};

export function drawSizingWorld(random: Random, horizonMs: number): SizingWorld {
  const changes = random.fork("changes");
  return {
    settings: {
      mode: random.pick(["auto", "auto", "auto", "suggest", "off"]),
      limits: random.pick(["soft", "soft", "hard"]),
      cpu: random.pick(["apart", "ratio"]),
      executionsMin: random.pick([2, 5, 20]),
      memoryMiBMin: random.pick([1, 32]),
      memoryMiBMax: random.pick([undefined, 1]),
    },
    rescuedShare: random.pick([0, 0.5, 1]),
    stalledShare: random.pick([0, 0, 0.01]),
    idleShare: random.pick([0.3, 0.8, 1]),
    changeMsMean: changes.chance(0.4) ? changes.logUniform(horizonMs / 50, horizonMs) : Number.POSITIVE_INFINITY,
    storeMs: random.fork("stores").pick([1000, 5000, Number.POSITIVE_INFINITY]),
  };
}

/** What somebody changes settings to. */
export function drawSizingSettings(random: Random): Partial<SizingSettings> {
  return {
    mode: random.pick(["auto", "auto", "auto", "suggest", "off"]),
    policy: random.pick(SIZING_POLICIES),
    limits: random.pick(["soft", "hard"]),
    cpu: random.pick(["apart", "ratio"]),
    executionsMin: random.pick([2, 5, 20]),
    memoryMiBMin: random.pick([1, 32, 300]),
    memoryMiBMax: random.pick([undefined, 1, 600]),
    memoryMiBIncrement: random.pick([1, 1, 64]),
    cpuMilliMin: random.pick([50, 50, 200]),
    cpuMilliMax: random.pick([6000, 6000, 400]),
  };
}

export function drawNeed(random: Random, memoryMiB: number): NeedTraits {
  return {
    medianMiB: memoryMiB * random.logUniform(0.05, 1.1),
    spread: random.pick([0, 0.05, 0.3]),
    tailShare: random.pick([0, 0, 0.02]),
    tailFactor: random.pick([1.3, 3]),
    stepAtExecution: random.pick([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 60]),
    stepFactor: random.pick([1.4, 2.5]),
    computedShare: random.fork("computed").pick([undefined, 0.1, 0.9]),
  };
}

/** @param execution how many went before. */
export function drawNeedMiB(random: Random, need: NeedTraits, execution: number): number {
  const usualMiB = need.medianMiB * (1 + need.spread * (2 * random.next() - 1));
  const isTail = need.tailShare > 0 && random.chance(need.tailShare);
  return usualMiB * (isTail ? need.tailFactor : 1) * (execution >= need.stepAtExecution ? need.stepFactor : 1);
}
