import { join } from "node:path";
import { Random } from "../../../src/simulator/random.ts";
import { rounded, sum } from "../../quantile.ts";
import type { Target } from "../../report.ts";
import type { Lab, LabChart, LabTable } from "../lab.ts";
import { autopilotLearned } from "./memory-autopilot-ml.ts";
import { hearthLimits } from "./memory-ours.ts";
import {
  autopilotWindow,
  clairvoyant,
  computeOptimizerProxy,
  factsProposal,
  requested,
  runningMaximum,
  verticalPodAutoscaler,
} from "./memory-peers.ts";
import { type MemoryProfile, readMemoryProfiles } from "./memory-profiles.ts";
import { type MemoryRule, type MemoryScenario, replayMemory, SCENARIOS, workloadOf } from "./memory-replay.ts";

/** Hard limits: how much is given that is not used, and how often is that too little. */
export const memoryLab: Lab = {
  name: "memory",
  run(dataDir) {
    const { profiles: all, skipped } = readMemoryProfiles(join(dataDir, "sizing"));
    const profiles = all.slice(0, FUNCTIONS_MAX);
    if (profiles.length === 0) return { tables: [], charts: [], targets: [], figures: {}, skipped };
    const rows = RULES.map((rule) => replayRule(profiles, rule));
    return {
      tables: SCENARIOS.map((scenario) => tableOf(scenario, rows, profiles.length)),
      charts: SCENARIOS.map((scenario) => chartOf(scenario, rows)),
      targets: targetsOf(rows),
      figures: { functions: profiles.length, functionsKnown: all.length, rows },
      skipped,
    };
  },
};

/** A sample: the rows are shuffled by a fixed seed. */
const FUNCTIONS_MAX = 1200;
const SEED = 7;
/** A function that is killed more often than this is one whose owner complains. */
const KILLS_BEARABLE = 3;
const AUTOPILOT_MAXIMUM = autopilotWindow("Autopilot maximum + 12 %", 1);
const RULES: readonly MemoryRule[] = [
  requested,
  clairvoyant,
  verticalPodAutoscaler,
  autopilotWindow("Autopilot p98 + 12 %", 0.98),
  AUTOPILOT_MAXIMUM,
  autopilotLearned,
  computeOptimizerProxy,
  runningMaximum(0.1),
  runningMaximum(0.15),
  factsProposal,
  hearthLimits,
];

type Cell = {
  readonly slack: number;
  readonly killsPerExecution: number;
  readonly badFunctionShare: number;
  readonly changesPerFunction: number;
  /** On one half of the functions and on the other. */
  readonly slackOfHalves: readonly number[];
};
type Row = {
  readonly policy: string;
  readonly isOurs: boolean;
  readonly cells: Readonly<Record<MemoryScenario, Cell>>;
};

function replayRule(profiles: readonly MemoryProfile[], rule: MemoryRule): Row {
  const cells = Object.fromEntries(SCENARIOS.map((scenario) => [scenario, replayScenario(profiles, rule, scenario)]));
  return { policy: rule.name, isOurs: rule.isOurs, cells: cells as Record<MemoryScenario, Cell> };
}

function replayScenario(profiles: readonly MemoryProfile[], rule: MemoryRule, scenario: MemoryScenario): Cell {
  const halves = [0, 1].map(() => ({ used: 0, limits: 0 }));
  let [executions, kills, changes, bad] = [0, 0, 0, 0];
  profiles.forEach((profile, i) => {
    const workload = workloadOf(profile, scenario, new Random(SEED).fork(`${profile.name} ${i} ${scenario}`));
    const outcome = replayMemory(workload, rule.policyOf(workload));
    const half = halves[i % 2]!;
    half.used += outcome.usedMiB;
    half.limits += outcome.limitMiB;
    executions += outcome.executions;
    kills += outcome.kills;
    changes += outcome.changes;
    if (outcome.kills > KILLS_BEARABLE) bad++;
  });
  const [used, limits] = [sum(halves.map((half) => half.used)), sum(halves.map((half) => half.limits))];
  return {
    slack: 1 - used / limits,
    killsPerExecution: kills / executions,
    badFunctionShare: bad / profiles.length,
    changesPerFunction: changes / profiles.length,
    slackOfHalves: halves.map((half) => 1 - half.used / half.limits),
  };
}

function tableOf(scenario: MemoryScenario, rows: readonly Row[], functions: number): LabTable {
  return {
    title: `Memory limits, ${scenario}: ${functions} functions (Azure 2019), 4,000 executions each in a week`,
    headings: ["policy", "fleet slack", "kills per 100,000", "functions killed > 3 times, %", "changes per function"],
    rows: rows.map(({ policy, cells }) => [
      policy,
      cells[scenario].slack.toFixed(4),
      (cells[scenario].killsPerExecution * 1e5).toFixed(2),
      (cells[scenario].badFunctionShare * 100).toFixed(2),
      rounded(cells[scenario].changesPerFunction),
    ]),
  };
}

function chartOf(scenario: MemoryScenario, rows: readonly Row[]): LabChart {
  return {
    name: `sizing-memory-${scenario}`,
    title: `Memory limits, ${scenario}: what is given and not used, and what is killed`,
    x: { label: "fleet slack: share of the limits that is not used", scale: "linear" },
    y: { label: "kills per execution (none: 1e-6)", scale: "log" },
    series: rows.map(({ policy, isOurs, cells }) => ({
      label: policy,
      mark: "points",
      isOurs,
      points: [[cells[scenario].slack, Math.max(1e-6, cells[scenario].killsPerExecution)]],
    })),
  };
}

function targetsOf(rows: readonly Row[]): Target[] {
  const ours = rows.find(({ policy }) => policy === hearthLimits.name)!.cells;
  const autopilot = rows.find(({ policy }) => policy === AUTOPILOT_MAXIMUM.name)!.cells;
  const atMost = (id: string, says: string, target: number, measured: number, unit: string): Target => {
    return { id: `lab.sizing.${id}`, says, bound: "atMost", target, measured, unit };
  };
  const worse = SCENARIOS.filter(
    (scenario) =>
      ours[scenario].slack > autopilot[scenario].slack &&
      ours[scenario].killsPerExecution > autopilot[scenario].killsPerExecution,
  );
  return [
    atMost(
      "memory.slack",
      "hard limits, iid: share of the limits that is not used",
      0.3,
      ours.iid.slack,
      "of the limits",
    ),
    atMost(
      "memory.kills",
      "hard limits, iid: executions killed at their limit",
      1,
      ours.iid.killsPerExecution * 1e5,
      "per 100,000 executions",
    ),
    atMost(
      "memory.changes",
      "hard limits, iid: size changes in a week",
      5,
      ours.iid.changesPerFunction,
      "per function",
    ),
    atMost(
      "memory.autopilot",
      `scenarios in which slack and kills are both above Autopilot's (maximum + 12 %): ${worse.join(", ") || "none"}`,
      0,
      worse.length,
      "scenarios",
    ),
    atMost(
      "memory.step",
      "need up 40 % at once: functions that are killed more than 3 times",
      0.1,
      ours.step.badFunctionShare * 100,
      "%",
    ),
  ];
}
