import type { WaitCause } from "./capacity.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, OfferId } from "./ids.ts";
import type { Shape, SubPool } from "./instance.ts";
import type { InvocationMode } from "./invocation.ts";
import type { RuntimeName } from "./runtime.ts";

/** Where every instance and container is at one moment, as plain data: it goes over HTTP as it is. */
export type PoolsSnapshot = {
  readonly nowMs: number;
  readonly instances: readonly InstanceSnapshot[];
  readonly waiting: WaitingSnapshot;
  readonly counters: PoolCounters;
};

/** The states an instance goes through, in this order; one that nobody needs goes from `warming` to `draining`. */
export const INSTANCE_STATES = ["launching", "warming", "active", "draining"] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** `prewarming`: it loads a function ahead of its call. `idle`: it holds one and waits. `leaving`: told to go, not gone yet. */
export const CONTAINER_STATES = ["creating", "blank", "prewarming", "running", "idle", "leaving"] as const;
export type ContainerState = (typeof CONTAINER_STATES)[number];

/** One instance that is not gone. */
export type InstanceSnapshot = {
  readonly id: InstanceId;
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  readonly state: InstanceState;
  /** It may be taken away soon. */
  readonly isAtRisk?: true;
  /** Its containers really use nearly all its memory: it gets no new ones. */
  readonly isPressed?: true;
  /** When it will be taken away. */
  readonly endsAtMs?: number;
  /** Absent until the instance is assigned; then it never changes. */
  readonly accountId?: AccountId;
  readonly shape: Shape;
  /** What of the shape's memory its containers hold. */
  readonly usedMemoryMiB: number;
  /** When it came into this state. */
  readonly sinceMs: number;
  readonly containers: readonly ContainerSnapshot[];
};

/** One container of an instance, from the order to make it until it is gone. */
export type ContainerSnapshot = {
  readonly id: ContainerId;
  readonly runtime: RuntimeName;
  readonly state: ContainerState;
  /** Absent while the container is blank or being made. */
  readonly functionKey?: FunctionKey;
  /** What it is counted with in the instance. */
  readonly memoryMiB: number;
  /** Its memory limit, where that is another: it may use so much. */
  readonly limitMiB?: number;
  /** It is held ready for its function. */
  readonly isProvisioned?: true;
  /** Present while an invocation runs in it. */
  readonly invocationId?: InvocationId;
  /** When it came into this state. */
  readonly sinceMs: number;
};

/** One invocation that waits, as its account's owner and the operator see it. */
export type WaitEntry = {
  readonly invocationId: InvocationId;
  readonly accountId: AccountId;
  readonly functionKey: FunctionKey;
  readonly mode: InvocationMode;
  readonly sinceMs: number;
  /** 1: it is the next one that is tried. */
  readonly place: number;
  /** Present when it is not time-sensitive. */
  readonly deadlineMs?: number;
  readonly waitsFor: readonly WaitCause[];
};

/** Invocations that wait for capacity. */
export type WaitingSnapshot = {
  readonly count: number;
  /** Of them, those that are held for a better time. */
  readonly heldCount: number;
  /** When the one that waits longest arrived. Absent: none waits. */
  readonly oldestSinceMs?: number;
};

/** Counted since the server started. */
export type PoolCounters = {
  readonly launches: number;
  readonly launchFailures: number;
  readonly instancesLost: number;
  /** Taken away with notice. */
  readonly instancesReclaimed: number;
  readonly coldStarts: number;
  readonly warmStarts: number;
  readonly prewarms: number;
  /** Executions of versions for which containers are held ready: in one of these, and elsewhere. */
  readonly provisionedStarts: number;
  readonly spillovers: number;
  readonly evictions: number;
};
