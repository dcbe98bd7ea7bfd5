import { Random } from "../../../src/simulator/random.ts";
import { sum } from "../../quantile.ts";
import { clairvoyantCost } from "./clairvoyant.ts";
import type { Lifetimes } from "./lifetimes.ts";
import { type CapacityTrace, STEP_MS, usualCapacity } from "./market.ts";
import { type Faults, replaySpot, type SpotOutcome, type SpotPool, type SpotRule } from "./world.ts";

/** Pools and what is needed of them, at each step. */
export type Scenario = { readonly name: string; readonly pools: readonly SpotPool[]; readonly needed: Float64Array };

const DAY_STEPS = 86_400_000 / STEP_MS;
/** Of the pools' usual capacity together, when they serve one need. */
const TOGETHER_SHARE = 0.6;
const LIFETIMES_NEEDED = 20;
const LIFETIMES_DAYS = 7;

/** Each trace alone, for as many instances as it usually has, constant and in a daily wave; all together; and lifetimes. */
export function scenarios(traces: readonly CapacityTrace[], lifetimes: readonly Lifetimes[]): Scenario[] {
  const alone = traces.flatMap((trace): Scenario[] => {
    const usual = usualCapacity(trace);
    const wave = (step: number) => Math.round(usual * (0.75 + 0.25 * Math.cos((2 * Math.PI * step) / DAY_STEPS)));
    return [
      { name: trace.name, pools: [trace], needed: trace.capacity.map(() => usual) },
      { name: `${trace.name}, daily wave`, pools: [trace], needed: trace.capacity.map((_, step) => wave(step)) },
    ];
  });
  return [...alone, ...together(traces), ...ofLifetimes(lifetimes)];
}

function together(traces: readonly CapacityTrace[]): Scenario[] {
  if (traces.length < 2) return [];
  const needed = Math.ceil(TOGETHER_SHARE * sum(traces.map(usualCapacity)));
  const steps = traces.reduce((most, { capacity }) => Math.max(most, capacity.length), 0);
  return [{ name: `all ${traces.length} pools`, pools: traces, needed: new Float64Array(steps).fill(needed) }];
}

function ofLifetimes(lifetimes: readonly Lifetimes[]): Scenario[] {
  if (lifetimes.length === 0) return [];
  const steps = LIFETIMES_DAYS * DAY_STEPS;
  const pools = lifetimes.map(({ lifetimesMs }) => ({
    capacity: new Float64Array(steps).fill(2 * LIFETIMES_NEEDED),
    lifetimesMs,
  }));
  return [{ name: "lifetimes", pools, needed: new Float64Array(steps).fill(LIFETIMES_NEEDED) }];
}

export type ScenarioOutcome = SpotOutcome & {
  readonly scenario: string;
  /** Cost relative to the clairvoyant's. */
  readonly relativeCost: number;
  readonly readyShareWorst: number;
};

/** The mean of several seeds: which instances are taken, and which notices are lost, is chance. */
export function replayScenario(
  { name, pools, needed }: Scenario,
  ruleOf: (poolCount: number) => SpotRule,
  faults: Faults,
  clairvoyant: number,
): ScenarioOutcome {
  const outcomes = SEEDS.map((seed) => replaySpot(pools, needed, ruleOf(pools.length), faults, new Random(seed)));
  const mean = (figure: (outcome: SpotOutcome) => number) => sum(outcomes.map(figure)) / outcomes.length;
  const cost = mean((outcome) => outcome.cost);
  return {
    scenario: name,
    readyShare: mean(({ readyShare }) => readyShare),
    readyShareWorst: Math.min(...outcomes.map(({ readyShare }) => readyShare)),
    cost,
    relativeCost: cost / clairvoyant,
    lossCount: mean(({ lossCount }) => lossCount),
    launchCount: mean(({ launchCount }) => launchCount),
    refusalCount: mean(({ refusalCount }) => refusalCount),
  };
}

const SEEDS = [1, 2, 3, 4, 5];

export function clairvoyantOf({ pools, needed }: Scenario): number {
  return clairvoyantCost(pools, needed);
}
