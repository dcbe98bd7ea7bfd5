import type { UsualGaps } from "../../../src/control/keepalive/gap-prior.ts";
import { DEFAULT_KEEP_ALIVE } from "../../../src/control/keepalive/keep-alive.ts";
import { USUAL_GAPS } from "../../../src/control/keepalive/usual-gaps.ts";
import { rounded } from "../../quantile.ts";
import type { Target } from "../../report.ts";
import type { Lab, LabChart, LabTable } from "../lab.ts";
import { clairvoyant } from "./clairvoyant.ts";
import { replayGreedyDual } from "./greedy-dual.ts";
import { hybridHistogram } from "./hybrid-histogram.ts";
import { replayKnative } from "./knative.ts";
import { ours } from "./ours.ts";
import { fixed, lambdaLike } from "./peers.ts";
import { type Outcome, replay } from "./replay.ts";
import { atWaste, atWasteAndPrewarms } from "./search.ts";
import { joinOverlapping, readTraces, type Trace } from "./trace.ts";

/**
 * Which idle containers are worth their memory: cold starts against wasted memory, on the functions of the Azure trace.
 * The targets are judged on the reading that gives the figures of the facts page: calls at even distances in their minute, and calls that overlap
 * share a container. The further tables show other readings of the same data.
 */
export const keepAliveLab: Lab = {
  name: "keepalive",
  run(dataDir) {
    const skipped: string[] = [];
    const traces = readTraces(dataDir, "even", skipped);
    const anywhere = new Map(readTraces(dataDir, "uniform", []).map((trace) => [trace.name, trace]));
    const joined = traces.map(joinOverlapping);
    const studies = joined.map((trace) =>
      study(
        trace,
        joined.find((other) => other !== trace),
      ),
    );
    const readings = traces.flatMap((trace) => [
      otherReading(trace, "a container of its own for each call that overlaps, as in Lambda"),
      otherReading(joinOverlapping(anywhere.get(trace.name) ?? trace), "calls anywhere in their minute"),
    ]);
    return {
      tables: [...studies.map(({ table }) => table), ...readings],
      charts: studies.map(({ chart }) => chart),
      targets: studies.flatMap(({ targets }) => targets),
      figures: { studies: studies.map(({ figures }) => figures) },
      skipped,
    };
  },
};

const MINUTE_MS = 60_000;
/** RUM of FeMux: waiting time and idle memory in one unit, the second of waiting. */
const COLD_S = 0.808;
const PREWARM_S = 0.1;
const GB_SECONDS_PER_S = 99.69;

/** Of the facts page; samples of half a day or less are like its S, longer ones like its D. */
const SHORT = { name: "S", functions: 500, coldMax: 560, coldOfFixed10: 2488, fewerColdMin: 0.3, rumMax: 0.58 };
const LONG = { name: "D", functions: 1350, coldMax: 3600, coldOfFixed10: 11_850, fewerColdMin: 0.5, rumMax: 0.74 };

const HEADINGS = [
  "policy",
  "cold",
  "cold after the first",
  "prewarms",
  "waste GB·min",
  "waste / fixed 10",
  "RUM / fixed 10",
];

type Row = { readonly policy: string; readonly outcome: Outcome };

/** Ours with memory at a multiple of its usual price. */
function ourReplay(
  trace: Trace,
  priceMultiplier: number,
  prewarmCostMs: number,
  usualGaps: UsualGaps | undefined,
): Outcome {
  return replay(trace, ours(trace, { ...OURS, priceMultiplier, prewarmCostMs, usualGaps }));
}

const OURS = { ...DEFAULT_KEEP_ALIVE, functionsMax: 1_000_000 };
/** Where it is not searched for: less than RUM charges, which trades prewarms for cold starts at equal waste. */
const PREWARM_COST_MS = 62;

function study(trace: Trace, other: Trace | undefined) {
  const goal = trace.horizonMs <= 720 * MINUTE_MS ? SHORT : LONG;
  const fixed10 = replay(trace, fixed(10 * MINUTE_MS));
  const histogram = replay(trace, hybridHistogram(trace.memoryMiB.length));
  const searched = (wastedGbMin: number) =>
    atWasteAndPrewarms((price, costMs) => ourReplay(trace, price, costMs, USUAL_GAPS), wastedGbMin, histogram.prewarms);
  const foundAs10 = searched(fixed10.wastedGbMin);
  const oursAs10 = foundAs10.outcome;
  const oursAsHistogram = searched(histogram.wastedGbMin).outcome;
  const knowing = (usual: UsualGaps | undefined) =>
    atWaste((price) => ourReplay(trace, price, foundAs10.prewarmCostMs, usual), fixed10.wastedGbMin, foundAs10.price)
      .outcome;
  const oursByRum = ourReplay(trace, 1, PREWARM_S * 1000, USUAL_GAPS);
  const rows: Row[] = [
    ...[1, 2, 5].map((minutes) => ({ policy: fixedName(minutes), outcome: replay(trace, fixed(minutes * MINUTE_MS)) })),
    { policy: fixedName(10), outcome: fixed10 },
    ...[20, 60].map((minutes) => ({ policy: fixedName(minutes), outcome: replay(trace, fixed(minutes * MINUTE_MS)) })),
    { policy: "fixed 10 min and 2 stem cells of 256 MB (OpenWhisk)", outcome: withStemCells(fixed10, trace) },
    { policy: "Lambda-like, 5 to 7 min", outcome: replay(trace, lambdaLike()) },
    { policy: "Knative autoscaler, one call per pod", outcome: replayKnative(trace) },
    { policy: "hybrid histogram 4 h", outcome: histogram },
    { policy: "Greedy-Dual at the waste of fixed 10", outcome: greedyDualAt(trace, fixed10.wastedGbMin) },
    { policy: "Greedy-Dual at the waste of the histogram", outcome: greedyDualAt(trace, histogram.wastedGbMin) },
    { policy: "ours at the waste of fixed 10", outcome: oursAs10 },
    { policy: "ours at the waste of the histogram", outcome: oursAsHistogram },
    { policy: "ours by RUM", outcome: oursByRum },
    { policy: "ours, steered to the idle memory of fixed 10", outcome: steered(trace, fixed10.wastedGbMin) },
    { policy: "ours, nothing known beforehand, waste of fixed 10", outcome: knowing(undefined) },
  ];
  if (other !== undefined) {
    const policy = `ours, learned beforehand from ${other.name} only, waste of fixed 10`;
    rows.push({ policy, outcome: knowing(learnedFrom(other)) });
  }
  const prewarmGbMin = (PREWARM_S * GB_SECONDS_PER_S) / 60;
  rows.push({ policy: "every next call is known (floor)", outcome: clairvoyant(trace, prewarmGbMin) });
  const isSize = trace.memoryMiB.length === goal.functions;
  const coldMax = isSize ? goal.coldMax : (goal.coldMax / goal.coldOfFixed10) * fixed10.cold;
  const id = (name: string) => `lab.keepalive.${trace.name.replaceAll("/", ".")}.${name}`;
  const targets: Target[] = [
    {
      id: id("cold"),
      says: `P1 (${goal.name}): cold starts at the waste of fixed 10 min`,
      bound: "atMost",
      target: rounded(coldMax, 0),
      measured: oursAs10.cold,
      unit: "calls",
    },
    {
      id: id("prewarms"),
      says: `P1 (${goal.name}): prewarms there, against those of the hybrid histogram`,
      bound: "atMost",
      target: histogram.prewarms,
      measured: oursAs10.prewarms,
      unit: "prewarms",
    },
    {
      id: id("fewer-cold"),
      says: `P2 (${goal.name}): fewer cold starts than the hybrid histogram at its waste`,
      bound: "atLeast",
      target: goal.fewerColdMin,
      measured: rounded(1 - oursAsHistogram.cold / histogram.cold, 3),
      unit: "share",
    },
    {
      id: id("rum"),
      says: `P3 (${goal.name}): RUM of fixed 10 min, prewarms charged`,
      bound: "atMost",
      target: goal.rumMax,
      measured: rounded(rum(oursByRum) / rum(fixed10), 3),
      unit: "share",
    },
  ];
  return {
    table: tableOf(
      `${trace.name}: ${trace.memoryMiB.length} functions, ${fixed10.calls.toLocaleString("en-US")} calls, ${trace.horizonMs / 3_600_000} h (${trace.note})`,
      rows,
      fixed10,
    ),
    chart: chartOf(trace, rows, fixed10),
    targets,
    figures: {
      trace: trace.name,
      halves: halvesOf(rows),
      rows: rows.map(({ policy, outcome }) => ({ policy, ...plain(outcome) })),
    },
  };
}

/** The same data read otherwise; not judged. */
function otherReading(trace: Trace, reading: string): LabTable {
  const fixed10 = replay(trace, fixed(10 * MINUTE_MS));
  const histogram = replay(trace, hybridHistogram(trace.memoryMiB.length));
  const at = (waste: number, first: number) =>
    atWaste((price) => ourReplay(trace, price, PREWARM_COST_MS, USUAL_GAPS), waste, first).outcome;
  const rows = [
    { policy: fixedName(10), outcome: fixed10 },
    { policy: fixedName(20), outcome: replay(trace, fixed(20 * MINUTE_MS)) },
    { policy: "hybrid histogram 4 h", outcome: histogram },
    { policy: "Knative autoscaler, one call per pod", outcome: replayKnative(trace) },
    { policy: "ours at the waste of fixed 10", outcome: at(fixed10.wastedGbMin, 0.3) },
    { policy: "ours at the waste of the histogram", outcome: at(histogram.wastedGbMin, 0.1) },
    { policy: "ours by RUM", outcome: ourReplay(trace, 1, PREWARM_S * 1000, USUAL_GAPS) },
  ];
  return tableOf(`${trace.name}, read otherwise: ${reading}`, rows, fixed10);
}

function fixedName(minutes: number): string {
  const whose = minutes === 1 ? " (Huawei)" : minutes === 2 ? " (Fission)" : "";
  return `fixed ${minutes} min${whose}`;
}

/** Stem cells are of a runtime and not of a function, so they warm nobody by the definition of a cold call here. */
function withStemCells(outcome: Outcome, trace: Trace): Outcome {
  return { ...outcome, wastedGbMin: outcome.wastedGbMin + ((2 * 256) / 1024) * (trace.horizonMs / MINUTE_MS) };
}

/** The capacity is swept until as much memory is wasted. */
function greedyDualAt(trace: Trace, wastedGbMin: number): Outcome {
  const meanMiB = (wastedGbMin / (trace.horizonMs / MINUTE_MS)) * 1024;
  return atWaste((price) => replayGreedyDual(trace, (1.2 * meanMiB) / price), wastedGbMin, 1).outcome;
}

function steered(trace: Trace, wastedGbMin: number): Outcome {
  const budgetMiB = (wastedGbMin / (trace.horizonMs / MINUTE_MS)) * 1024;
  return replay(
    trace,
    ours(trace, { ...OURS, budgetMiB, priceMultiplier: 1, prewarmCostMs: PREWARM_COST_MS, usualGaps: USUAL_GAPS }),
  );
}

/** What the policy knows of functions in general after these. */
export function learnedFrom(trace: Trace, usualGaps?: UsualGaps): UsualGaps {
  const policy = ours(trace, { ...OURS, priceMultiplier: 0.3, prewarmCostMs: PREWARM_COST_MS, usualGaps });
  replay(trace, policy);
  return policy.keepAlive.usualGaps();
}

function rum({ cold, wastedGbMin, prewarms }: Outcome): number {
  return COLD_S * cold + (wastedGbMin * 60) / GB_SECONDS_PER_S + PREWARM_S * prewarms;
}

function tableOf(title: string, rows: readonly Row[], fixed10: Outcome): LabTable {
  const cells = ({ policy, outcome }: Row) => [
    policy,
    outcome.cold,
    outcome.cold - outcome.firstTouch,
    outcome.prewarms,
    rounded(outcome.wastedGbMin, 0),
    rounded(outcome.wastedGbMin / fixed10.wastedGbMin, 3),
    rounded(rum(outcome) / rum(fixed10), 3),
  ];
  return {
    title,
    headings: HEADINGS,
    rows: rows.map((row) => cells(row)),
  };
}

function chartOf(trace: Trace, rows: readonly Row[], fixed10: Outcome): LabChart {
  const shown = rows.filter(({ outcome }) => outcome.wastedGbMin > 0);
  const point = ({ outcome }: Row): [number, number] => [outcome.wastedGbMin / fixed10.wastedGbMin, outcome.cold];
  const sweep = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6].map((price) => ourReplay(trace, price, PREWARM_COST_MS, USUAL_GAPS));
  return {
    name: `keepalive-${trace.name.replaceAll("/", "-")}`,
    title: `Cold starts against wasted memory: ${trace.name}`,
    x: { label: "idle memory × time, fixed 10 min = 1", scale: "log" },
    y: { label: "cold starts", scale: "log" },
    series: [
      { label: "ours", mark: "line", isOurs: true, points: sweep.map((outcome) => point({ policy: "", outcome })) },
      ...shown
        .filter(({ policy }) => !policy.startsWith("ours"))
        .map((row) => ({ label: row.policy, mark: "points" as const, isOurs: false, points: [point(row)] })),
    ],
  };
}

/** Cold starts of the functions of even and odd number apart: what is gained in one half only is chance. */
function halvesOf(rows: readonly Row[]) {
  return rows.map(({ policy, outcome }) => {
    const half = (parity: number) =>
      outcome.coldByFunction.reduce((sum, cold, fn) => sum + (fn % 2 === parity ? cold : 0), 0);
    return { policy, even: half(0), odd: half(1) };
  });
}

function plain({ cold, firstTouch, prewarms, wastedGbMin, calls }: Outcome) {
  return { calls, cold, firstTouch, prewarms, wastedGbMin: rounded(wastedGbMin, 1) };
}
