import { DEFAULT_SETTINGS } from "../src/control/settings.ts";
import type { AccountId } from "../src/model/ids.ts";
import { plainCapacity } from "../src/simulator/capacity-world.ts";
import { simulate } from "../src/simulator/simulation.ts";
import { drawWorld, type FunctionTraits, hostOffer, SIMULATED_RUNTIMES, type World } from "../src/simulator/world.ts";
import { describeTarget, writeResult } from "./report.ts";

/**
 * Simulated invocations per second on one core: timeline, control core, agents, callers and oracle
 * together. The core's own audit walks everything it holds, so it is asked after every event in the
 * tests and after every `AUDIT_EVERY` events here.
 */
const INVOCATIONS = 2_000_000;
const WARMUP_INVOCATIONS = 200_000;
const ROUNDS = 5;
const AUDIT_EVERY = 10_000;
const SEED = 1;

function functionTraits(index: number): FunctionTraits {
  return {
    name: `f${index}`,
    accountId: `a${index % 10}` as AccountId,
    runtime: SIMULATED_RUNTIMES[index % SIMULATED_RUNTIMES.length] ?? "nodejs24.x",
    memoryMiB: [128, 256, 512][index % 3] ?? 128,
    resizedMiB: [128, 256, 512][index % 3] ?? 128,
    timeoutMs: 30_000,
    durationMsMean: 100,
    initMsMean: 100,
    tailShare: 0.001,
    // The busiest function is called a hundred times as often as the quietest.
    gapMsMean: 20 * (1 + index),
    isRegular: false,
    batchMax: 1,
    busyMsMean: 60_000,
    quietMsMean: 10_000,
  };
}

/** A large host under ordinary load with ordinary mishaps; every fault of the tests exists, and is rare. */
function benchmarkWorld(invocations: number): World {
  return {
    ...drawWorld(SEED),
    settings: DEFAULT_SETTINGS,
    capacity: plainCapacity(hostOffer({ memoryMiB: 131_072, cpuMilli: 64_000 }, { memoryMiB: 4096, cpuMilli: 2000 })),
    grainMs: 1 / 64,
    invocations,
    functions: Array.from({ length: 100 }, (_, index) => functionTraits(index)),
    asynchronousShare: 0.1,
    hangUpShare: 0.001,
    patienceMsMean: 1000,
    bootMsMean: 2000,
    containerStartMsMean: 50,
    destroyMs: 5,
    terminateMs: 50,
    linkMs: 0.1,
    tickLatenessMs: 1,
    orphanMs: 60_000,
    mustServe: false,
    eventAgeMsMax: 3_600_000,
    retirementMsMean: 600_000,
    faults: {
      launchFailure: 0.01,
      launchHang: 0.001,
      launchLate: 0.001,
      launchGhost: 0.001,
      containerFailure: 0.01,
      containerDeath: 0.001,
      execution: 0.001,
      functionError: 0.01,
      instanceLifeMsMean: 3_600_000,
      cutShare: 0.5,
      cutMsMean: 1000,
      detectionMs: 3000,
      echoes: false,
    },
    restarts: [],
  };
}

function round(invocations: number) {
  const beganMs = performance.now();
  const report = simulate(benchmarkWorld(invocations), { auditEvery: AUDIT_EVERY });
  const tookMs = performance.now() - beganMs;
  return { tookMs, invocationsPerSecond: (invocations / tookMs) * 1000, totals: report.totals() };
}

round(WARMUP_INVOCATIONS);
const rounds = Array.from({ length: ROUNDS }, () => round(INVOCATIONS));
const rates = rounds.map(({ invocationsPerSecond }) => Math.round(invocationsPerSecond)).sort((a, b) => a - b);
const median = rates[Math.floor(ROUNDS / 2)] ?? Number.NaN;

const result = writeResult("simulator", {
  figures: {
    invocations: INVOCATIONS,
    auditEvery: AUDIT_EVERY,
    invocationsPerSecond: rates,
    eventsPerInvocation: (rounds[0]?.totals.events ?? 0) / INVOCATIONS,
    totals: rounds[0]?.totals,
  },
  targets: [
    {
      id: "simulator.throughput",
      says: `simulated invocations per second on one core, whole loop, audited every ${AUDIT_EVERY} events, median of ${ROUNDS} rounds`,
      bound: "atLeast",
      target: 500_000,
      measured: median,
      unit: "invocations/s",
    },
  ],
});
for (const target of result.targets) console.log(describeTarget(target));
