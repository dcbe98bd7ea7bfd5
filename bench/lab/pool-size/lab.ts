import { join } from "node:path";
import { PoolForecast } from "../../../src/control/forecast/pool-target.ts";
import { rounded } from "../../quantile.ts";
import type { Target } from "../../report.ts";
import type { Lab, LabChart, LabSection, LabTable } from "../lab.ts";
import { constantPool, knativeLike, seasonalQuantile, smallestConstantPool, stemCells } from "./peers.ts";
import { BOOT_MINUTES, JUDGED_FROM_MINUTE, type PoolOutcome, type PoolPolicy, replayPool } from "./replay.ts";
import { readWithdrawals, type Withdrawals } from "./withdrawals.ts";

/**
 * How many instances stand idle so that nearly everything that is asked for finds one ready. The yardstick is the best
 * constant pool, found in hindsight on the very days that are judged, which nobody can have in production.
 */
export const poolSizeLab: Lab = {
  name: "pool",
  run(dataDir) {
    const { regions, skipped } = readWithdrawals(join(dataDir, "pool"));
    const replays = regions.map(replayRegion);
    return {
      tables: replays.map(({ table }) => table),
      charts: replays.map(({ chart }) => chart),
      targets: replays.flatMap(({ targets }) => targets),
      figures: { bootMinutes: BOOT_MINUTES, judgedFromMinute: JUDGED_FROM_MINUTE, regions: replays.map(figuresOf) },
      skipped,
    } satisfies LabSection;
  },
};

/** Of the facts page, P4; regions that it does not name must do as well as its easiest. */
const IDLE_MAX: Readonly<Record<string, number>> = { R1: 0.7, R2: 0.4, R3: 0.33, R4: 0.4, R5: 0.4 };
const IDLE_MAX_ELSEWHERE = 0.7;
const HIT_SHARE = 0.99;
const HIT_SHARES = [0.95, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.994, 0.995, 0.9965, 0.9975, 0.998, 0.999, 0.9995];

type Row = { readonly policy: string; readonly outcome: PoolOutcome; readonly relativeIdle: number };
type Replay = ReturnType<typeof replayRegion>;

function replayRegion({ region, counts }: Withdrawals) {
  const yardstick = replayPool(counts, constantPool(smallestConstantPool(counts, HIT_SHARE)));
  const row = (policy: string, outcome: PoolOutcome): Row => {
    return { policy, outcome, relativeIdle: outcome.idleMean / yardstick.idleMean };
  };
  const constants = HIT_SHARES.map((share) => smallestConstantPool(counts, share));
  const ours = HIT_SHARES.map((hitShare) => row(forecastName(hitShare), replayPool(counts, forecasting(hitShare))));
  const ourRow = (hitShare: number) => ours[HIT_SHARES.indexOf(hitShare)]!;
  const rows = [
    row("constant, best in hindsight for 99 %", yardstick),
    row(
      "constant, best in hindsight for 99.9 %",
      replayPool(counts, constantPool(smallestConstantPool(counts, 0.999))),
    ),
    row("constant, 99 % of the first week (EC2 warm pool)", replayPool(counts, constantPool(sizeOfFirstWeek(counts)))),
    row("constant, 3 (Fission)", replayPool(counts, constantPool(3))),
    row("stem cells, 1 to 4 (OpenWhisk)", replayPool(counts, stemCells(4))),
    row("stem cells, unbounded", replayPool(counts, stemCells(Number.POSITIVE_INFINITY))),
    row("Knative-like, 70 %", replayPool(counts, knativeLike())),
    row("seasonal quantile, steered factor (facts page)", replayPool(counts, seasonalQuantile())),
    ourRow(HIT_SHARE),
    ourRow(0.995),
    ourRow(0.999),
  ];
  // The share that can be had for the idle that the yardstick needs for 99 %.
  const affordable = ours.filter(({ relativeIdle }) => relativeIdle <= 1);
  const hitShareAtEqualIdle = Math.max(0, ...affordable.map(({ outcome }) => outcome.hitShare));
  return {
    region,
    rows,
    hitShareAtEqualIdle,
    table: tableOf(region, rows),
    chart: chartOf(
      region,
      rows,
      constants.map((size) => row("", replayPool(counts, constantPool(size)))),
      ours,
    ),
    targets: targetsOf(region, ourRow(HIT_SHARE), hitShareAtEqualIdle),
  };
}

function forecastName(hitShare: number): string {
  return `forecast, for ${rounded(hitShare * 100, 2)} %`;
}

function forecasting(hitShare: number): PoolPolicy {
  const minuteMs = 60_000;
  const forecast = new PoolForecast({ bootMs: BOOT_MINUTES * minuteMs, hitShare });
  return {
    instancesFirst: 0,
    minuteOver(minute, asked) {
      forecast.observe(minute * minuteMs, asked);
      return forecast.target((minute + 1) * minuteMs);
    },
  };
}

function sizeOfFirstWeek(counts: Float64Array): number {
  return smallestConstantPool(counts.subarray(0, JUDGED_FROM_MINUTE), HIT_SHARE, 0);
}

function tableOf(region: string, rows: readonly Row[]): LabTable {
  return {
    title: `Pool size, region ${region}: launches take ${BOOT_MINUTES} min, judged from day 8 on`,
    headings: ["policy", "hits %", "idle instances", "idle, relative", "given up unused, per 100 asked"],
    rows: rows.map(({ policy, outcome, relativeIdle }) => [
      policy,
      (outcome.hitShare * 100).toFixed(3),
      rounded(outcome.idleMean),
      relativeIdle.toFixed(3),
      (outcome.surplusShare * 100).toFixed(1),
    ]),
  };
}

function chartOf(region: string, rows: readonly Row[], constants: readonly Row[], ours: readonly Row[]): LabChart {
  const point = ({ outcome, relativeIdle }: Row) => [relativeIdle, Math.max(1e-4, 1 - outcome.hitShare)] as const;
  const peers = rows.filter(
    ({ policy, relativeIdle }) => !/^(forecast|constant, best)/.test(policy) && relativeIdle > 0,
  );
  return {
    name: `pool-size-${region}`,
    title: `Pool size, region ${region}: what a ready instance costs`,
    x: { label: "idle instances, relative to the best constant pool for 99 %", scale: "log" },
    y: { label: "share asked for and not ready", scale: "log" },
    series: [
      { label: "forecast", mark: "line", isOurs: true, points: ours.map(point) },
      { label: "constant, best in hindsight", mark: "line", isOurs: false, points: constants.map(point) },
      ...peers.map((row) => ({ label: row.policy, mark: "points" as const, isOurs: false, points: [point(row)] })),
    ],
  };
}

function targetsOf(region: string, { outcome, relativeIdle }: Row, hitShareAtEqualIdle: number): Target[] {
  const id = `lab.pool.${region}`;
  const hits = { bound: "atLeast", unit: "of what is asked for" } as const;
  return [
    {
      id: `${id}.idle`,
      says: `P4 (${region}): idle instances relative to the best constant pool in hindsight, both at 99 % hits`,
      bound: "atMost",
      target: IDLE_MAX[region] ?? IDLE_MAX_ELSEWHERE,
      measured: relativeIdle,
      unit: "×",
    },
    {
      id: `${id}.hits`,
      says: `P4 (${region}): found ready, days 8 on`,
      target: 0.99,
      measured: outcome.hitShare,
      ...hits,
    },
    {
      id: `${id}.hits-at-equal-idle`,
      says: `P4 (${region}): found ready with no more idle than the best constant pool has at 99 %`,
      target: 0.999,
      measured: hitShareAtEqualIdle,
      ...hits,
    },
  ];
}

function figuresOf({ region, rows, hitShareAtEqualIdle }: Replay) {
  return {
    region,
    hitShareAtEqualIdle,
    policies: rows.map(({ policy, outcome, relativeIdle }) => ({ policy, ...outcome, relativeIdle })),
  };
}
