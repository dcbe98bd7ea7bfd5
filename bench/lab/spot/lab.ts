import { join } from "node:path";
import { Random } from "../../../src/simulator/random.ts";
import { rounded, sum } from "../../quantile.ts";
import type { Target } from "../../report.ts";
import type { Lab, LabChart, LabTable } from "../lab.ts";
import {
  type BatchJob,
  type BatchRule,
  fixedBatch,
  greedyBatch,
  hearthBatch,
  leastBatchCost,
  replayBatch,
  uniformProgress,
} from "./batch.ts";
import { readLifetimes } from "./lifetimes.ts";
import { type CapacityTrace, readCapacityTraces, STEP_MS, usualCapacity } from "./market.ts";
import { hearth } from "./ours.ts";
import { fixedOnly, greedySpot, karpenterLike, noticeIgnored, spotHedge } from "./peers.ts";
import { clairvoyantOf, replayScenario, type Scenario, type ScenarioOutcome, scenarios } from "./scenario.ts";
import type { Faults, SpotRule } from "./world.ts";

/** Having all that is needed ready, on capacity that is taken away: at what cost, and for how much of the time. */
export const spotLab: Lab = {
  name: "spot",
  run(dataDir) {
    const { traces, skipped } = readCapacityTraces(join(dataDir, "pool"));
    const lifetimes = readLifetimes(join(dataDir, "pool"));
    const all = scenarios(traces, lifetimes.pools).map((scenario) => ({ scenario, least: clairvoyantOf(scenario) }));
    const skippedAll = [...skipped, ...lifetimes.skipped];
    if (all.length === 0) return { tables: [], charts: [], targets: [], figures: {}, skipped: skippedAll };
    const replays = FAULTS.map((faults) => ({ faults, policies: RULES.map((rule) => replayAll(all, rule, faults)) }));
    const batches = traces.length > 0 ? FAULTS.map((faults) => ({ faults, rows: replayBatches(traces, faults) })) : [];
    return {
      tables: [
        ...replays.map(({ faults, policies }) => policyTable(faults.name, policies)),
        scenarioTable(replays.map(({ policies }) => policies[0]!)),
        ...batches.map(({ faults, rows }) => batchTable(faults.name, rows)),
      ],
      charts: replays.map(({ faults, policies }) => chartOf(faults.name, faults.id, policies)),
      targets: targetsOf(replays, batches),
      figures: { scenarios: all.map(({ scenario, least }) => ({ name: scenario.name, least })), replays, batches },
      skipped: skippedAll,
    };
  },
};

type NamedFaults = Faults & { readonly id: string; readonly name: string };
const FAULTS: readonly NamedFaults[] = [
  { id: "punctual", name: "all notices 120 s ahead", lostShare: 0, lateMsMax: 0 },
  { id: "late", name: "5 % of notices lost, the others up to 60 s late", lostShare: 0.05, lateMsMax: 60_000 },
];

type NamedRule = { readonly name: string; readonly ruleOf: (poolCount: number) => SpotRule };
/** Ours comes first. */
const RULES: readonly NamedRule[] = [
  { name: "stand-in just in time (Hearth)", ruleOf: hearth },
  { name: "Karpenter-like", ruleOf: karpenterLike },
  { name: "SpotHedge, 2 spare", ruleOf: () => spotHedge() },
  { name: "greedy spot", ruleOf: greedySpot },
  { name: "notice ignored, standby at the loss", ruleOf: noticeIgnored },
  { name: "fixed only", ruleOf: fixedOnly },
];

type Policy = { readonly name: string; readonly outcomes: readonly ScenarioOutcome[] };

function replayAll(
  all: readonly { scenario: Scenario; least: number }[],
  { name, ruleOf }: NamedRule,
  faults: Faults,
): Policy {
  return { name, outcomes: all.map(({ scenario, least }) => replayScenario(scenario, ruleOf, faults, least)) };
}

const mean = (values: readonly number[]) => sum(values) / values.length;
const percent = (share: number) => (share * 100).toFixed(3);
const least = (policy: Policy) => Math.min(...policy.outcomes.map(({ readyShare }) => readyShare));
const dearest = (policy: Policy) => Math.max(...policy.outcomes.map(({ relativeCost }) => relativeCost));

function policyTable(faults: string, policies: readonly Policy[]): LabTable {
  return {
    title: `Spot: ${faults}; ${policies[0]?.outcomes.length ?? 0} replays, mean of seeds`,
    headings: [
      "policy",
      "ready %",
      "worst replay",
      "cost / fixed only",
      "cost / clairvoyant",
      "worst replay",
      "refusals",
    ],
    rows: policies.map((policy) => [
      policy.name,
      percent(mean(policy.outcomes.map(({ readyShare }) => readyShare))),
      percent(least(policy)),
      mean(policy.outcomes.map(({ cost }) => cost)).toFixed(4),
      mean(policy.outcomes.map(({ relativeCost }) => relativeCost)).toFixed(4),
      dearest(policy).toFixed(4),
      Math.round(mean(policy.outcomes.map(({ refusalCount }) => refusalCount))),
    ]),
  };
}

function scenarioTable([punctual, late]: readonly Policy[]): LabTable {
  return {
    title: "Spot, Hearth by replay: punctual notices, then late and lost ones",
    headings: [
      "replay",
      "losses",
      "cost / fixed only",
      "cost / clairvoyant",
      "ready %",
      "late: cost",
      "late: ready %",
      "worst seed",
    ],
    rows: (punctual?.outcomes ?? []).map((outcome, i) => [
      outcome.scenario,
      Math.round(outcome.lossCount),
      outcome.cost.toFixed(4),
      outcome.relativeCost.toFixed(4),
      percent(outcome.readyShare),
      late!.outcomes[i]!.relativeCost.toFixed(4),
      percent(late!.outcomes[i]!.readyShare),
      percent(late!.outcomes[i]!.readyShareWorst),
    ]),
  };
}

function chartOf(faults: string, id: string, policies: readonly Policy[]): LabChart {
  return {
    name: `spot-${id}`,
    title: `Spot: ${faults}`,
    x: { label: "cost, relative to the clairvoyant's", scale: "linear" },
    y: { label: "share of the time in which a needed instance was not ready", scale: "log" },
    series: policies
      .filter((policy) => mean(policy.outcomes.map(({ relativeCost }) => relativeCost)) < 2)
      .map((policy, i) => ({
        label: policy.name,
        mark: "points",
        isOurs: i === 0,
        // A logarithm knows no zero: what is always ready stands at the foot.
        points: policy.outcomes.map(({ relativeCost, readyShare }) => [relativeCost, Math.max(1e-5, 1 - readyShare)]),
      })),
  };
}

type BatchRow = {
  readonly name: string;
  readonly jobs: number;
  readonly lateJobs: number;
  readonly cost: number;
  readonly relativeCost: number;
};

const HOUR_MS = 3_600_000;
const BATCH_HOURS = [1, 3];
const BATCH_TIME_FACTORS = [1.1, 1.25, 1.6];
const BATCH_EVERY_MS = HOUR_MS / 2;
const BATCH_RULES: readonly { readonly name: string; readonly rule: () => BatchRule }[] = [
  { name: "variable, fixed in time (Hearth)", rule: hearthBatch },
  { name: "Uniform Progress", rule: uniformProgress },
  { name: "greedy until two restarts are left", rule: greedyBatch },
  { name: "fixed only", rule: fixedBatch },
];

/** Batches of several sizes and deadlines that begin every half hour, on the last instance that a pool usually has. */
function replayBatches(traces: readonly CapacityTrace[], faults: Faults): BatchRow[] {
  const jobs = traces.flatMap((trace) => {
    const usual = usualCapacity(trace);
    const isOffered = (step: number) => trace.capacity[step % trace.capacity.length]! >= usual;
    return jobsOf(trace).map((job) => ({ job, isOffered, least: leastBatchCost(isOffered, job) }));
  });
  return BATCH_RULES.map(({ name, rule }) => {
    const random = new Random(1);
    const outcomes = jobs.map(({ job, isOffered }) => replayBatch(isOffered, job, rule(), faults, random));
    const cost = mean(outcomes.map((outcome) => outcome.cost));
    const lateJobs = outcomes.filter(({ isLate }) => isLate).length;
    return { name, jobs: jobs.length, lateJobs, cost, relativeCost: cost / mean(jobs.map((job) => job.least)) };
  });
}

function jobsOf({ capacity }: CapacityTrace): BatchJob[] {
  const begins = Math.floor((capacity.length * STEP_MS) / BATCH_EVERY_MS);
  return Array.from({ length: begins }, (_, i) => (i * BATCH_EVERY_MS) / STEP_MS).flatMap((firstStep) =>
    BATCH_HOURS.flatMap((hours) =>
      BATCH_TIME_FACTORS.map((factor) => {
        const workMs = hours * HOUR_MS;
        return { firstStep, workMs, timeMs: workMs * factor };
      }),
    ),
  );
}

function batchTable(faults: string, rows: readonly BatchRow[]): LabTable {
  return {
    title: `Batches with a deadline: ${faults}`,
    headings: ["policy", "batches", "late", "cost / fixed only", "cost / lower bound"],
    rows: rows.map(({ name, jobs, lateJobs, cost, relativeCost }) => [
      name,
      jobs,
      lateJobs,
      cost.toFixed(4),
      rounded(relativeCost, 4),
    ]),
  };
}

function targetsOf(
  replays: readonly { readonly policies: readonly Policy[] }[],
  batches: readonly { readonly rows: readonly BatchRow[] }[],
): Target[] {
  const [punctual, late] = replays.map(({ policies }) => policies[0]!);
  const lateBatches = sum(batches.map(({ rows }) => rows[0]?.lateJobs ?? Number.NaN));
  const share = { bound: "atLeast", unit: "of the needed time" } as const;
  const cost = { bound: "atMost", unit: "× the clairvoyant's cost" } as const;
  return [
    {
      id: "lab.spot.ready",
      says: "P5: needed instances that were ready, in the worst replay and seed",
      target: 1,
      measured: Math.min(...punctual!.outcomes.map(({ readyShareWorst }) => readyShareWorst)),
      ...share,
    },
    {
      id: "lab.spot.cost",
      says: "P5: cost, in the dearest replay",
      target: 1.015,
      measured: dearest(punctual!),
      ...cost,
    },
    {
      id: "lab.spot.late.ready",
      says: "P5: ready with 5 % of notices lost and the others up to 60 s late, in the worst replay",
      target: 0.9995,
      measured: least(late!),
      ...share,
    },
    {
      id: "lab.spot.late.cost",
      says: "P5: cost with lost and late notices",
      target: 1.1,
      measured: dearest(late!),
      ...cost,
    },
    {
      id: "lab.spot.deadlines",
      says: "P5: batches that missed their deadline, with punctual and with late and lost notices",
      bound: "atMost",
      target: 0,
      measured: lateBatches,
      unit: "batches",
    },
  ];
}
