import type { Shape } from "../model/instance.ts";
import type { RuntimeName } from "../model/runtime.ts";

/** Every number the control core decides by. Shells pass it in; nothing else holds a policy constant. */
export type Settings = {
  /** Makes the ids of this run of the server differ from those of adopted instances of an earlier one. */
  readonly idPrefix: string;
  /** What all instances together may take. */
  readonly capacity: Shape;
  /** The shape of an instance, unless one function needs more memory than it has. */
  readonly defaultShape: Shape;
  /** Booted instances that wait unassigned, per sub-pool. */
  readonly warmingTarget: { readonly fixed: number; readonly variable: number };
  /** Blank containers that an instance keeps ready, per runtime. A runtime that is absent has none. */
  readonly blankTarget: { readonly [runtime in RuntimeName]?: number };
  /** What a blank container counts for; also the smallest container. */
  readonly blankMemoryMiB: number;
  /** Containers that one instance starts at the same time. */
  readonly creationsPerInstanceMax: number;
  /** A taken blank is replaced after this long, so that its own cold start has the CPU to itself. */
  readonly refillDelayMs: number;
  /** Running and waiting invocations of one account (AWS: 1,000 by default). */
  readonly accountConcurrencyMax: number;
  /** Waiting invocations of all accounts. */
  readonly queueLengthMax: number;
  /** How long an invocation waits for room before it is refused. */
  readonly waitMsMax: number;
  /** An idle container is destroyed after this long. */
  readonly keepAliveMs: number;
  /** An active instance without running or idle containers is given up after this long. */
  readonly instanceIdleMs: number;
  /** A launched instance whose agent has not joined by then counts as failed. */
  readonly launchMsMax: number;
  /** Pause after a failed launch; doubles with each further failure, up to 64 times. */
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
  capacity: { memoryMiB: 16384, cpuMilli: 4000 },
  defaultShape: { memoryMiB: 4096, cpuMilli: 2000 },
  warmingTarget: { fixed: 1, variable: 0 },
  blankTarget: { "nodejs22.x": 1, "nodejs24.x": 2, "provided.al2023": 1 },
  blankMemoryMiB: 128,
  creationsPerInstanceMax: 2,
  refillDelayMs: 25,
  accountConcurrencyMax: 1000,
  queueLengthMax: 10_000,
  waitMsMax: 30_000,
  keepAliveMs: 600_000,
  instanceIdleMs: 120_000,
  launchMsMax: 60_000,
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
