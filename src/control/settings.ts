import type { SubPool } from "../model/instance.ts";
import type { RuntimeName } from "../model/runtime.ts";

/** Every number the control core decides by. Shells pass it in; nothing else holds a policy constant. */
export type Settings = {
  /** Makes the ids of this run of the server differ from those of adopted instances of an earlier one. */
  readonly idPrefix: string;
  /** Bounds of the booted instances that wait unassigned; between them history decides. The variable ones only while some account may use them. */
  readonly warming: { readonly [subPool in SubPool]: { readonly min: number; readonly max: number } };
  /** Share of the instances asked for that shall be found ready. */
  readonly warmingHitShare: number;
  /** What a launch takes, as the forecast plans with it. */
  readonly launchMsTypical: number;
  /** So many instances taken within `burstWindowMs` are a burst: for `burstMs` the sub-pool holds `burstExtra` more. */
  readonly burstTakes: number;
  readonly burstWindowMs: number;
  readonly burstMs: number;
  readonly burstExtra: number;
  /** Fixed instances that stand by for variable ones which may be taken away together, at most. */
  readonly standbyMax: number;
  /** At most this share of surplus warming instances (at least one) is given up per step. */
  readonly surplusShare: number;
  readonly surplusStepMs: number;
  /** Blank containers that an instance keeps ready, per runtime. A runtime that is absent has none. */
  readonly blankTarget: { readonly [runtime in RuntimeName]?: number };
  /** Of these no blank container is kept until somebody wants the runtime; then as many as `blankTarget` says. */
  readonly blanksOnDemand: readonly RuntimeName[];
  /** The limit of a blank container, and what it counts for until it is known what such containers really hold. */
  readonly blankMemoryMiB: number;
  /**
   * An instance whose containers really use more than this share of its memory takes no new ones and gives up idle ones, until
   * they use less than the second.
   */
  readonly pressureShare: number;
  readonly pressureClearShare: number;
  /** Containers that one instance starts at the same time. */
  readonly creationsPerInstanceMax: number;
  /** A taken blank is replaced after this long, so that its own cold start has the CPU to itself. */
  readonly refillDelayMs: number;
  /** Running invocations of one account, and waiting ones of accounts that have fixed capacity (AWS: 1,000 by default). */
  readonly accountConcurrencyMax: number;
  /**
   * A function takes so many new containers at once, and as many again in each `scalingMs`, little by little (AWS: 1,000 and 10 s).
   * Infinity: as many as there is capacity for.
   */
  readonly scalingContainers: number;
  readonly scalingMs: number;
  /** Calls in a second, per execution at a time that a function reserves or its account may have (AWS: 10). Infinity: no bound. */
  readonly requestsPerConcurrency: number;
  /** Waiting and held invocations of all accounts. */
  readonly queueLengthMax: number;
  /** How long an invocation waits for fixed capacity before it is refused. */
  readonly waitMsMax: number;
  /** How long an execution of a function that was never seen may take, for the latest start of one with a deadline. */
  readonly durationUnknownMs: number;
  /** Room in front of a latest start: this much, and the expected duration times `deadlineMargin`. */
  readonly startReserveMs: number;
  readonly deadlineMargin: number;
  /** A demand level at or below which a time is calm, whatever the last day was like. */
  readonly calmDemandLevel: number;
  /** Executions on an instance that is taken away are cut off this long before its end. */
  readonly reclaimReserveMs: number;
  /** A variable instance on which nothing runs and that fails its account's constraints is given up after this long. */
  readonly unsatisfiedMs: number;
  /**
   * An idle container stays at least, and at most, for this long, unless its memory is needed; between the two its
   * function's history decides (docs/design/0010-keep-alive.md).
   */
  readonly keepAliveMinMs: number;
  readonly keepAliveMaxMs: number;
  /** Share of the memory of all instances that idle containers shall take on average; their price is steered by it. */
  readonly idleMemoryShare: number;
  /** Functions whose calls are remembered. */
  readonly functionsRememberedMax: number;
  /** An active instance without running or idle containers is given up after this long. */
  readonly instanceIdleMs: number;
  /** An active instance whose containers fit elsewhere drains after so long without an execution; Infinity: never. */
  readonly consolidateAfterMs: number;
  /** A launched instance whose agent has not joined by then counts as failed. */
  readonly launchMsMax: number;
  /** A container that was told to go and is still there after this long: its instance takes no more work. */
  readonly leaveMsMax: number;
  /** Pause after a failed launch; doubles with each further failure, up to 64 times. Per offer. */
  readonly launchBackoffMs: number;
  /** Pause of an instance after a container could not be made; doubles likewise. */
  readonly createBackoffMs: number;
  /** An instance that fails to make a container this often in a row is given up. */
  readonly createFailuresMax: number;
  /** An idle container keeps its CPU for this long: freezing and thawing cost more than a call, see docs/design/0006-cpu.md. */
  readonly freezeAfterMs: number;
  /** How often an agent says that it lives, and the silence after which it counts as lost. One that ends closes its connection at once. */
  readonly heartbeatMs: number;
  readonly silenceMsMax: number;
  /** Instances outlive their server by this much, for the next one to adopt. */
  readonly orphanMs: number;
  /** How long a new server waits for the agents of an earlier one, which dial again within a second. */
  readonly adoptionMsMax: number;
  /** How often expiries are looked for. */
  readonly sweepMs: number;
};

export const DEFAULT_SETTINGS: Settings = {
  idPrefix: "",
  warming: { fixed: { min: 1, max: 4 }, variable: { min: 1, max: 4 } },
  warmingHitShare: 0.99,
  launchMsTypical: 1_000,
  burstTakes: 3,
  burstWindowMs: 10_000,
  burstMs: 60_000,
  burstExtra: 1,
  standbyMax: 4,
  surplusShare: 0.1,
  surplusStepMs: 10_000,
  blankTarget: {
    "nodejs22.x": 1,
    "nodejs24.x": 2,
    "python3.11": 1,
    "python3.12": 1,
    "python3.13": 1,
    "python3.14": 1,
    "provided.al2023": 1,
  },
  blanksOnDemand: ["python3.11", "python3.12", "python3.13", "python3.14"],
  blankMemoryMiB: 128,
  pressureShare: 0.9,
  pressureClearShare: 0.8,
  creationsPerInstanceMax: 2,
  refillDelayMs: 25,
  accountConcurrencyMax: 1000,
  scalingContainers: Number.POSITIVE_INFINITY,
  scalingMs: 10_000,
  requestsPerConcurrency: Number.POSITIVE_INFINITY,
  queueLengthMax: 100_000,
  waitMsMax: 30_000,
  durationUnknownMs: 60_000,
  startReserveMs: 5_000,
  deadlineMargin: 1.5,
  calmDemandLevel: 0.5,
  reclaimReserveMs: 5_000,
  unsatisfiedMs: 30_000,
  keepAliveMinMs: 60_000,
  keepAliveMaxMs: 7_200_000,
  idleMemoryShare: 0.5,
  functionsRememberedMax: 100_000,
  instanceIdleMs: 120_000,
  consolidateAfterMs: 60_000,
  launchMsMax: 60_000,
  leaveMsMax: 30_000,
  launchBackoffMs: 500,
  createBackoffMs: 250,
  createFailuresMax: 6,
  freezeAfterMs: 500,
  heartbeatMs: 1_000,
  silenceMsMax: 5_000,
  orphanMs: 60_000,
  adoptionMsMax: 3_000,
  sweepMs: 500,
};
