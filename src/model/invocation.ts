import type { Placement } from "./capacity.ts";
import type { Grant, SizedVersion } from "./grant.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId } from "./ids.ts";
import type { RuntimeName } from "./runtime.ts";

/** Who waits for the answer: a caller with an open connection, or the durable queue. */
export type InvocationMode = "synchronous" | "asynchronous";

/** One request to run one function version, as the control core sees it: no payload. */
export type Invocation = {
  readonly id: InvocationId;
  readonly accountId: AccountId;
  readonly functionKey: FunctionKey;
  readonly runtime: RuntimeName;
  readonly memoryMiB: number;
  readonly mode: InvocationMode;
  /**
   * Not time-sensitive: it may be held for a cheaper or calmer period, and is to be done by then (the core's clock).
   * undefined: it is due at once.
   */
  readonly deadlineMs?: number | undefined;
  /** By what its size is learned; undefined: it gets what it states. */
  readonly sized?: SizedVersion | undefined;
  /** Size of its event; undefined: unknown. */
  readonly inputBytes?: number | undefined;
};

/**
 * The exclusive right to run one invocation in one container; given back exactly once, by
 * `InvocationFinished` or by the loss of the instance.
 */
export type Lease = {
  readonly id: LeaseId;
  readonly invocation: Invocation;
  readonly instanceId: InstanceId;
  readonly containerId: ContainerId;
  /** `warm`: the container holds this function. `cold`: it is blank and must be assigned first. */
  readonly start: "warm" | "cold";
  readonly placement: Placement;
  /** What the container got when it became this function's; undefined: an earlier server knew. */
  readonly grant?: Grant | undefined;
};

/** How an execution ended. Whether its container can take another one is said beside it. */
export const OUTCOMES = [
  "ok",
  /** The handler threw or rejected; the payload is its error object. */
  "functionError",
  /** The module could not be loaded or exports no such handler; the payload is the error object. */
  "initError",
  "timeout",
  /** The runtime process ended or was killed by a signal during the execution. */
  "exit",
  "outOfMemory",
  /** The payload is not JSON. Nothing of the function ran. */
  "invalidPayload",
  "responseTooLarge",
  /** The agent could not do it: a mount, a limit or the container's start failed. */
  "agentFault",
] as const;

/** One of `OUTCOMES`. */
export type Outcome = (typeof OUTCOMES)[number];

/** What one execution really used, measured by the agent from the container's own accounting. */
export type Usage = {
  readonly wallUs: number;
  /** undefined: the kind of instance cannot tell. */
  readonly cpuUs: number | undefined;
  /** Peak of memory that cannot be reclaimed, during this execution. undefined: cannot tell. */
  readonly memoryPeakBytes: number | undefined;
  /** Module evaluation, on a cold start only. */
  readonly initUs: number | undefined;
  /** The CPU quota kept its threads from running so long, added up over the processors. undefined: cannot tell. */
  readonly throttledUs: number | undefined;
  /**
   * Something of it waited for memory so long: for pages that its limit had driven out, or for room below the limit. With
   * cgroup v2 the kernel's own figure, with v1 an estimate. undefined: cannot tell.
   */
  readonly memoryStallUs: number | undefined;
  /** File cache that the container held at the end; not in `memoryPeakBytes`. undefined: cannot tell. */
  readonly cacheBytes: number | undefined;
  /** What it really ran under at its end, which sizing or a rescue set. undefined: nothing was enforced. */
  readonly memoryLimitMiB: number | undefined;
  readonly cpuMilli: number | undefined;
  /** How often its memory limit was raised while it ran, before the kernel would have killed it. */
  readonly rescues: number;
};

/** What is known besides the time of an execution of which nothing was measured. */
export const UNMEASURED: Omit<Usage, "wallUs"> = {
  cpuUs: undefined,
  memoryPeakBytes: undefined,
  initUs: undefined,
  throttledUs: undefined,
  memoryStallUs: undefined,
  cacheBytes: undefined,
  memoryLimitMiB: undefined,
  cpuMilli: undefined,
  rescues: 0,
};
