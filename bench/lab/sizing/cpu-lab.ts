import { join } from "node:path";
import type { SizingPolicy } from "../../../src/model/sizing.ts";
import { Random } from "../../../src/simulator/random.ts";
import { rounded, sum } from "../../quantile.ts";
import type { Target } from "../../report.ts";
import type { Lab, LabChart, LabTable } from "../lab.ts";
import { readCpuCurves } from "./cpu-curves.ts";
import { hearthCpu } from "./cpu-ours.ts";
import { cpuTams, parrotfish, powerTuning, requestedCpu } from "./cpu-peers.ts";
import { type CpuCase, type CpuRule, casesOf, regretOf, truthAt } from "./cpu-replay.ts";
import { predictionErrors, predictionTable } from "./prediction.ts";

/** CPU apart from memory: how near to the best a function's CPU comes, after how many executions, and whom that slows down. */
export const cpuLab: Lab = {
  name: "cpu",
  run(dataDir) {
    const { curves, skipped } = readCpuCurves(join(dataDir, "sizing"));
    const cases = casesOf(curves);
    if (cases.length === 0) return { tables: [], charts: [], targets: [], figures: {}, skipped };
    const rows = POLICIES.flatMap((policy) => RULES.map((rule) => replayRule(cases, rule, policy)));
    const prediction = predictionErrors(curves);
    return {
      tables: [...POLICIES.map((policy) => tableOf(policy, rows, cases.length)), predictionTable(prediction)],
      charts: [chartOf(rows)],
      targets: [...targetsOf(rows), ...predictionTargets(prediction)],
      figures: { curves: curves.length, cases: cases.length, rows, prediction },
      skipped,
    };
  },
};

const POLICIES: readonly SizingPolicy[] = ["cost", "balanced", "speed", "slo"];
const LIVE_EXECUTIONS = 50;
const OURS = hearthCpu(LIVE_EXECUTIONS);
const RULES: readonly CpuRule[] = [OURS, hearthCpu(500), requestedCpu, powerTuning, parrotfish, cpuTams];
const SEED = 3;
const SLOW = 1.2;
const NEAR = 0.05;

type Row = {
  readonly policy: SizingPolicy;
  readonly rule: string;
  readonly isOurs: boolean;
  readonly meanRegret: number;
  readonly nearShare: number;
  /** Of all executions until the decision, live and synthetic: more than 20 % slower than at the requested size. */
  readonly slowShare: number;
  readonly synthetic: number;
  /** Mean regret on every other case. */
  readonly regretOfHalves: readonly number[];
};

function replayRule(cases: readonly CpuCase[], rule: CpuRule, policy: SizingPolicy): Row {
  let [slow, tried, synthetic] = [0, 0, 0];
  const regrets = cases.map((of) => {
    const result = rule.run(of, policy, new Random(SEED).fork(`${of.curve.name} ${of.requestedMilli}`));
    const requestedMs = truthAt(of, of.requestedMilli).durationMs;
    tried += result.tried.length;
    slow += result.tried.filter((milli) => truthAt(of, milli).durationMs > requestedMs * SLOW).length;
    synthetic += result.synthetic;
    return regretOf(of, policy, result.cpuMilli);
  });
  const half = (rest: number) => mean(regrets.filter((_, i) => Math.floor(i / 2) % 2 === rest));
  return {
    policy,
    rule: rule.name,
    isOurs: rule.isOurs,
    meanRegret: mean(regrets),
    nearShare: regrets.filter((regret) => regret <= NEAR).length / regrets.length,
    slowShare: tried === 0 ? 0 : slow / tried,
    synthetic: synthetic / cases.length,
    regretOfHalves: [half(0), half(1)],
  };
}

function tableOf(policy: SizingPolicy, rows: readonly Row[], cases: number): LabTable {
  return {
    title: `CPU by policy "${policy}": ${cases} functions, inputs and machines (Bilal 2023, ChunkFunc 2025)`,
    headings: [
      "rule",
      "mean regret %",
      "within 5 % of the best, %",
      "executions slowed > 20 %, %",
      "synthetic executions",
    ],
    rows: rows
      .filter((row) => row.policy === policy)
      .map((row) => [
        row.rule,
        (row.meanRegret * 100).toFixed(2),
        (row.nearShare * 100).toFixed(1),
        (row.slowShare * 100).toFixed(1),
        rounded(row.synthetic, 0),
      ]),
  };
}

function chartOf(rows: readonly Row[]): LabChart {
  return {
    name: "sizing-cpu",
    title: "CPU by cost: distance from the best, and what finding it costs",
    x: { label: "mean regret, %", scale: "log" },
    y: { label: "synthetic executions (none: 0.5)", scale: "log" },
    series: rows
      .filter(({ policy }) => policy === "cost")
      .map(({ rule, isOurs, meanRegret, synthetic }) => ({
        label: rule,
        mark: "points",
        isOurs,
        points: [[Math.max(0.01, meanRegret * 100), Math.max(0.5, synthetic)]],
      })),
  };
}

function targetsOf(rows: readonly Row[]): Target[] {
  const ours = (policy: SizingPolicy) => rows.find((row) => row.policy === policy && row.rule === OURS.name)!;
  const after = `after ${LIVE_EXECUTIONS} live executions and none that is synthetic`;
  return [
    {
      id: "lab.sizing.cpu.regret",
      says: `policy cost: mean regret against the best there is, ${after}`,
      bound: "atMost",
      target: 1,
      measured: ours("cost").meanRegret * 100,
      unit: "%",
    },
    {
      id: "lab.sizing.cpu.near",
      says: `policy cost: within 5 % of the best, ${after}`,
      bound: "atLeast",
      target: 95,
      measured: ours("cost").nearShare * 100,
      unit: "% of cases",
    },
    {
      id: "lab.sizing.cpu.slo.regret",
      says: `policy slo, the default: mean regret, ${after}`,
      bound: "atMost",
      target: 1,
      measured: ours("slo").meanRegret * 100,
      unit: "%",
    },
    {
      id: "lab.sizing.cpu.slow",
      says: "policy slo, the default: executions more than 20 % slower than at the requested size",
      bound: "atMost",
      target: 1,
      measured: ours("slo").slowShare * 100,
      unit: "% of executions",
    },
  ];
}

function predictionTargets({ unseenLevel, oneSize }: ReturnType<typeof predictionErrors>): Target[] {
  return [
    {
      id: "lab.sizing.prediction.levels",
      says: "duration at a CPU level that was not seen, from all others: mean error",
      bound: "atMost",
      target: 5,
      measured: unseenLevel["W + C / min(c, p)"]! * 100,
      unit: "%",
    },
    {
      id: "lab.sizing.prediction.one",
      says: "duration at all other levels, from executions at one: mean error",
      bound: "atMost",
      target: 10,
      measured: oneSize * 100,
      unit: "%",
    },
  ];
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
