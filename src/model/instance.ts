import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "./ids.ts";
import type { RuntimeName } from "./runtime.ts";

/**
 * The two halves of the warming pool. `fixed`: the terms do not change while the instance is held.
 * `variable`: price, availability or window change with time (spot, harvested, time windows).
 */
export type SubPool = "fixed" | "variable";

/** The size of an instance, as offered to its containers. */
export type Shape = {
  readonly memoryMiB: number;
  readonly cpuMilli: number;
};

/** What an agent says it holds when it joins or re-joins; the source of warm state after a restart. */
export type InstanceReport = {
  readonly instanceId: InstanceId;
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  readonly shape: Shape;
  /** The account it was assigned to, if ever. It serves no other. */
  readonly accountId: AccountId | undefined;
  readonly containers: readonly ContainerReport[];
};

/** A container as its agent reports it; `running` goes on, whoever waits for it. */
export type ContainerReport =
  | { readonly state: "blank"; readonly containerId: ContainerId; readonly runtime: RuntimeName }
  | {
      readonly state: "idle";
      readonly containerId: ContainerId;
      readonly runtime: RuntimeName;
      readonly functionKey: FunctionKey;
      /** Its limit now. */
      readonly memoryMiB: number;
      /** What the instance is packed by; undefined: the limit. */
      readonly reservedMiB?: number | undefined;
      /** What it may need at its most; undefined: an earlier version did not say. */
      readonly needMiB?: number | undefined;
      /** As it was granted; undefined: an earlier version did not say. */
      readonly cpuMilli?: number | undefined;
      /** What the function was told its log group is; undefined: its own. */
      readonly logGroup?: string | undefined;
      /** What the function was told its log stream is; undefined: an earlier version made it up. */
      readonly logStream?: string | undefined;
      /** Its function was loaded ahead of a call; undefined: it was not, or nobody knows. */
      readonly isInitializedAhead?: boolean | undefined;
    }
  | {
      readonly state: "running";
      readonly containerId: ContainerId;
      readonly runtime: RuntimeName;
      readonly functionKey: FunctionKey;
      readonly memoryMiB: number;
      readonly reservedMiB?: number | undefined;
      readonly needMiB?: number | undefined;
      readonly cpuMilli?: number | undefined;
      readonly logGroup?: string | undefined;
      readonly logStream?: string | undefined;
      readonly isInitializedAhead?: boolean | undefined;
      readonly leaseId: LeaseId;
      readonly invocationId: InvocationId;
    };
