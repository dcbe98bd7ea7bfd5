import { DEFAULT_RETRY_SETTINGS } from "../control/retry/async-retry.ts";
import { DEFAULT_SETTINGS, type Settings } from "../control/settings.ts";
import type { Offer } from "../model/capacity.ts";
import type { AccountId, OfferId } from "../model/ids.ts";
import type { Shape } from "../model/instance.ts";
import type { RuntimeName } from "../model/runtime.ts";
import { type CapacityWorld, drawCapacityWorld } from "./capacity-world.ts";
import { type ConcurrencyWorld, drawConcurrencyWorld } from "./concurrency-world.ts";
import { Random } from "./random.ts";
import { drawNeed, drawSizingWorld, type NeedTraits, type SizingWorld } from "./sizing-world.ts";

/** Another list would make other worlds of all seeds. */
export const SIMULATED_RUNTIMES = [
  "nodejs22.x",
  "nodejs24.x",
  "provided.al2023",
] as const satisfies readonly RuntimeName[];

/** One function of the made-up world: what it asks for, how often it is called, how long it runs. */
export type FunctionTraits = {
  readonly name: string;
  readonly accountId: AccountId;
  readonly runtime: RuntimeName;
  readonly memoryMiB: number;
  /** Every second revision of it asks for this much. */
  readonly resizedMiB: number;
  readonly timeoutMs: number;
  readonly durationMsMean: number;
  /** Module evaluation, on a cold start. */
  readonly initMsMean: number;
  /** Executions of which the duration has no mean: Pareto with shape 1 from `durationMsMean` on. */
  readonly tailShare: number;
  /** Mean time between calls while it is busy. */
  readonly gapMsMean: number;
  /** Called by a timer: every gap is the same. */
  readonly isRegular: boolean;
  /** Calls that come at the same instant. */
  readonly batchMax: number;
  /** Mean length of its busy times, and of the quiet times between them; no quiet times when 0. */
  readonly busyMsMean: number;
  readonly quietMsMean: number;
  /** undefined: sizing is not told of it, and it gets what it states. */
  readonly need?: NeedTraits | undefined;
};

/** How a server ends in the middle, and how long the next one takes to come. */
export type Restart = {
  /** `crash`: kill -9, instances live on. `graceful`: SIGTERM, what runs may finish, nothing stays. */
  readonly kind: "crash" | "graceful";
  readonly atMs: number;
  readonly downMs: number;
  /** Of a graceful end: how long what runs may take. */
  readonly graceMs: number;
};

/** Chances are per case (launch, container, execution …); 0 turns a fault off. */
export type Faults = {
  readonly launchFailure: number;
  /** The instance is launched and its agent never joins. */
  readonly launchHang: number;
  /** It joins only when the core has given it up. */
  readonly launchLate: number;
  /** Of the launches that fail: the instance comes all the same. */
  readonly launchGhost: number;
  readonly containerFailure: number;
  /** A blank or idle container dies by itself. */
  readonly containerDeath: number;
  /** An execution ends with something other than `ok` or `functionError`. */
  readonly execution: number;
  readonly functionError: number;
  /** Mean life of an instance; Infinity: it lives until it is told to end. */
  readonly instanceLifeMsMean: number;
  /** Instances that only lose their link when their life ends, and join again with what they hold. */
  readonly cutShare: number;
  readonly cutMsMean: number;
  /** Until a dead or silent instance is known to be lost. */
  readonly detectionMs: number;
  /** The news of an end comes twice. */
  readonly echoes: boolean;
};

/** Everything that a seed decides. Printed when a run fails. */
export type World = {
  readonly seed: number;
  readonly settings: Settings;
  /** What instances are launched from, whom they serve, and how both change. */
  readonly capacity: CapacityWorld;
  /** undefined: nothing is learned of sizes. */
  readonly sizing?: SizingWorld | undefined;
  /** undefined: no function reserves anything. */
  readonly concurrency?: ConcurrencyWorld | undefined;
  /** All times are multiples of it; a coarse grain makes ties common. A power of two, so that sums are exact. */
  readonly grainMs: number;
  readonly invocations: number;
  readonly functions: readonly FunctionTraits[];
  readonly asynchronousShare: number;
  readonly hangUpShare: number;
  readonly patienceMsMean: number;
  readonly bootMsMean: number;
  readonly containerStartMsMean: number;
  readonly destroyMs: number;
  readonly terminateMs: number;
  /** One way between server and agent. */
  readonly linkMs: number;
  /** Shells are late with Tick by this much. */
  readonly tickLatenessMs: number;
  /** An agent that has been without a server for this long ends its instance. */
  readonly orphanMs: number;
  /** Mean time between two updates of some function; Infinity: never. */
  readonly retirementMsMean: number;
  /** Its settings are such that whoever may wait for hours gets capacity in the end. */
  readonly mustServe: boolean;
  readonly eventAgeMsMax: number;
  readonly faults: Faults;
  readonly restarts: readonly Restart[];
};

/** What Lambda's users ask for; few distinct values, so that sizes tie and fit exactly. */
const MEMORIES_MIB = [128, 128, 256, 512, 1024, 1769, 3008] as const;

/** Most worlds have no bound. */
const UNBOUNDED = Array.from({ length: 8 }, () => Number.POSITIVE_INFINITY);

/** Draws a world: the same seed gives the same one on every machine. */
export function drawWorld(seed: number): World {
  const root = new Random(seed);
  const settings = drawSettings(root.fork("settings"));
  const host = drawHost(root.fork("host offer"));
  const capacityMiB = host.capacity?.memoryMiB ?? 0;
  const isSized = root.fork("sized").chance(0.5);
  const needs = isSized ? root.fork("needs") : undefined;
  const functions = drawFunctions(root.fork("functions"), capacityMiB).map((traits) => {
    return needs === undefined ? traits : { ...traits, need: drawNeed(needs.fork(traits.name), traits.memoryMiB) };
  });
  const random = root.fork("world");
  const invocations = Math.round(random.logUniform(50, 1500));
  const accountIds = [...new Set(functions.map(({ accountId }) => accountId))].sort();
  const callsPerMs = functions.reduce((sum, f) => sum + callsPerMsOf(f), 0);
  const horizonMs = Math.max(1000, invocations / callsPerMs);
  const capacity = drawCapacityWorld(root.fork("capacity"), host, accountIds, horizonMs);
  const concurrency = drawConcurrencyWorld(root.fork("concurrency"), horizonMs);
  const sizing = isSized ? drawSizingWorld(root.fork("sizing"), horizonMs) : undefined;
  const mustServe = isGenerous(settings) && !capacity.keepsDedicated && concurrency === undefined;
  return {
    seed,
    settings,
    capacity,
    sizing,
    concurrency,
    grainMs: random.pick([1 / 64, 1, 1, 16]),
    invocations,
    functions,
    asynchronousShare: random.pick([0, 0.2, 0.5, 1]),
    hangUpShare: random.pick([0, 0, 0.02, 0.3]),
    patienceMsMean: random.logUniform(1, 30_000),
    bootMsMean: random.logUniform(5, 20_000),
    containerStartMsMean: random.logUniform(1, 2000),
    destroyMs: random.logUniform(0.1, 500),
    terminateMs: random.logUniform(1, 5000),
    linkMs: random.logUniform(0.05, 100),
    tickLatenessMs: random.pick([0, 0, 1, 50]),
    orphanMs: random.logUniform(5000, 120_000),
    retirementMsMean: sometimes(
      random,
      0.4,
      () => random.logUniform(horizonMs / 50, horizonMs),
      Number.POSITIVE_INFINITY,
    ),
    mustServe,
    // Where capacity is not certain, six hours of retries would be most of a run and find nothing.
    eventAgeMsMax: mustServe ? DEFAULT_RETRY_SETTINGS.eventAgeMsMax : 300_000,
    faults: drawFaults(root.fork("faults"), horizonMs),
    restarts: drawRestarts(root.fork("restarts"), horizonMs),
  };
}

function drawHost(random: Random): Offer {
  const capacityMiB = random.pick([1024, 2048, 4096, 4096, 8192, 16_384, 65_536]);
  const shapeMiB = Math.min(capacityMiB, random.pick([512, 1024, 2048, 4096]));
  return hostOffer({ memoryMiB: capacityMiB, cpuMilli: capacityMiB }, { memoryMiB: shapeMiB, cpuMilli: shapeMiB });
}

/** A host of which instances are slices. */
export function hostOffer(capacity: Shape, shape: Shape): Offer {
  return {
    id: "simulated/host/slice/on-demand" as OfferId,
    provider: "sandbox",
    subPool: "fixed",
    instanceType: "slice",
    zone: "host",
    shape,
    isElastic: true,
    capacity,
    priceUsdPerHour: 0,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: Number.POSITIVE_INFINITY,
  };
}

function boundsFrom(min: number): { min: number; max: number } {
  return { min, max: min + 2 };
}

function drawSettings(random: Random): Settings {
  const keepAliveMs = random.pick([0, 1000, 30_000, 600_000]);
  const instanceIdleMs = random.pick([0, 1000, 120_000]);
  return {
    ...DEFAULT_SETTINGS,
    warming: { fixed: boundsFrom(random.int(0, 3)), variable: boundsFrom(random.pick([0, 0, 0, 1])) },
    burstExtra: random.pick([0, 1]),
    surplusStepMs: random.pick([500, 10_000]),
    reclaimReserveMs: random.fork("reclaims").pick([0, 1000, 5000]),
    unsatisfiedMs: random.fork("unsatisfied").pick([1000, 30_000]),
    durationUnknownMs: random.fork("unknown").pick([1000, 60_000]),
    startReserveMs: random.fork("reserve").pick([0, 5000]),
    consolidateAfterMs: random.pick([1000, 60_000, Number.POSITIVE_INFINITY]),
    blankTarget: Object.fromEntries(SIMULATED_RUNTIMES.map((runtime) => [runtime, random.int(0, 2)])),
    blankMemoryMiB: random.pick([64, 128]),
    creationsPerInstanceMax: random.int(1, 4),
    refillDelayMs: random.pick([0, 25, 500]),
    accountConcurrencyMax: random.pick([1, 3, 20, 1000, 1000]),
    scalingContainers: random.fork("scaling").pick([3, 20, ...UNBOUNDED]),
    scalingMs: random.fork("scaling time").pick([500, 10_000]),
    requestsPerConcurrency: random.fork("requests").pick([10, ...UNBOUNDED]),
    queueLengthMax: random.pick([0, 1, 10, 10_000, 10_000]),
    waitMsMax: random.pick([0, 500, 30_000, 30_000]),
    keepAliveMinMs: random.pick([0, keepAliveMs]),
    keepAliveMaxMs: keepAliveMs,
    instanceIdleMs,
    launchMsMax: random.pick([10_000, 60_000]),
    launchBackoffMs: random.pick([10, 500]),
    createBackoffMs: random.pick([10, 250]),
    createFailuresMax: random.pick([1, 6]),
    // Long rests with short sweeps would be most of a run's time and find nothing.
    sweepMs: keepAliveMs + instanceIdleMs > 30_000 ? 500 : random.pick([50, 500]),
  };
}

/** Waits outlast a boot, and retries in lockstep do not turn each other away at the bounds. */
function isGenerous(settings: Settings): boolean {
  const { waitMsMax, launchMsMax, accountConcurrencyMax, queueLengthMax } = settings;
  if (Number.isFinite(settings.scalingContainers) || Number.isFinite(settings.requestsPerConcurrency)) return false;
  return waitMsMax > launchMsMax && accountConcurrencyMax >= 20 && queueLengthMax >= 10_000;
}

function drawFunctions(random: Random, capacityMiB: number): FunctionTraits[] {
  const accounts = random.int(1, 5);
  const count = Math.round(random.logUniform(1, 30));
  const memories = MEMORIES_MIB.filter((memoryMiB) => memoryMiB <= capacityMiB);
  const durationMsTypical = random.logUniform(2, 3000);
  // How much of the host the calls want: from a tenth to three times what there is.
  const load = random.logUniform(0.1, 3);
  const quietMsMean = random.pick([0, 1000, 30_000]);
  return Array.from({ length: count }, (_, index) => {
    const memoryMiB = random.chance(0.02) ? capacityMiB + 1 : random.pick(memories);
    const durationMsMean = durationMsTypical * random.logUniform(0.2, 5);
    const busyMsMean = random.logUniform(50, 20_000);
    const habits = random.fork(`habits ${index}`);
    const hostMs = (durationMsMean * memoryMiB * count) / capacityMiB;
    return {
      name: `f${index}`,
      accountId: `a${random.int(1, accounts)}` as AccountId,
      runtime: random.pick(SIMULATED_RUNTIMES),
      memoryMiB,
      resizedMiB: habits.chance(0.5) ? habits.pick(memories) : memoryMiB,
      timeoutMs: random.pick([1000, 3000, 30_000]),
      durationMsMean,
      initMsMean: random.logUniform(0.2, 1000),
      tailShare: random.pick([0, 0, 0.02]),
      // Calls further apart, or none in most busy times, make worlds of months that are all sweeps.
      gapMsMean: Math.min(5000, busyMsMean, Math.max(0.1, hostMs / load)),
      isRegular: habits.chance(0.2),
      batchMax: random.pick([1, 1, 1, 5, 40]),
      busyMsMean,
      quietMsMean,
    };
  });
}

/** Calls per ms over busy and quiet times. */
function callsPerMsOf({ gapMsMean, batchMax, busyMsMean, quietMsMean }: FunctionTraits): number {
  return ((1 + batchMax) / 2 / gapMsMean) * (busyMsMean / (busyMsMean + quietMsMean));
}

function drawFaults(random: Random, horizonMs: number): Faults {
  return {
    launchFailure: sometimes(random, 0.4, () => random.logUniform(0.01, 0.9), 0),
    launchHang: sometimes(random, 0.2, () => random.logUniform(0.01, 0.5), 0),
    launchLate: sometimes(random.fork("late"), 0.2, () => 0.2, 0),
    launchGhost: sometimes(random.fork("ghost"), 0.2, () => 0.2, 0),
    containerFailure: sometimes(random, 0.4, () => random.logUniform(0.01, 0.9), 0),
    containerDeath: sometimes(random, 0.4, () => random.logUniform(0.01, 0.5), 0),
    execution: sometimes(random, 0.5, () => random.logUniform(0.001, 0.5), 0),
    functionError: random.pick([0, 0.05, 0.5]),
    instanceLifeMsMean: sometimes(
      random,
      0.5,
      () => random.logUniform(horizonMs / 20, 5 * horizonMs),
      Number.POSITIVE_INFINITY,
    ),
    cutShare: random.pick([0, 0.5, 1]),
    cutMsMean: random.logUniform(10, 60_000),
    detectionMs: random.logUniform(1, 10_000),
    echoes: random.chance(0.3),
  };
}

function drawRestarts(random: Random, horizonMs: number): Restart[] {
  const count = random.pick([0, 0, 0, 1, 1, 2]);
  const draw = (atMs: number): Restart => ({
    kind: random.chance(0.7) ? "crash" : "graceful",
    atMs,
    downMs: random.logUniform(1, 30_000),
    graceMs: random.logUniform(1, 20_000),
  });
  return Array.from({ length: count }, () => random.next() * horizonMs)
    .sort((a, b) => a - b)
    .map(draw);
}

function sometimes(random: Random, probability: number, draw: () => number, otherwise: number): number {
  return random.chance(probability) ? draw() : otherwise;
}
