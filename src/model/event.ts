import type { CapacitySettings, Offer } from "./capacity.ts";
import type { ConcurrencySettings } from "./concurrency.ts";
import type { RejectCode } from "./error-code.ts";
import type { Grant } from "./grant.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "./ids.ts";
import type { InstanceReport, Shape, SubPool } from "./instance.ts";
import type { Invocation, Lease, Outcome, Usage } from "./invocation.ts";
import type { RuntimeName } from "./runtime.ts";
import type { SizingScope, SizingSettings } from "./sizing.ts";

/** Something that happened in the world. The control plane learns of it in no other way. */
export type Event =
  | { readonly kind: "InvocationArrived"; readonly invocation: Invocation }
  /** The caller hung up. A waiting invocation leaves the queue; a running one runs on. */
  | { readonly kind: "InvocationCancelled"; readonly invocationId: InvocationId }
  | {
      readonly kind: "InvocationFinished";
      readonly leaseId: LeaseId;
      readonly outcome: Outcome;
      /** The container can take another execution. False: ContainerGone follows. */
      readonly containerUsable: boolean;
      readonly wallMs: number;
      /** The init phase of a cold start; undefined: it was warm, or the agent cannot tell. */
      readonly initMs?: number | undefined;
      /** What it really used; undefined: nobody knows, so nothing is learned from it. */
      readonly usage?: Usage | undefined;
    }
  /** An agent joined: a launched instance is ready, or one of an earlier server is adopted. */
  | { readonly kind: "InstanceJoined"; readonly report: InstanceReport }
  | {
      readonly kind: "LaunchFailed";
      readonly instanceId: InstanceId;
      /** `INSUFFICIENT_CAPACITY`: the offer has none left for now; others may. */
      readonly code: "LAUNCH_FAILED" | "INSUFFICIENT_CAPACITY";
    }
  /** Offers with their terms as they are now; those that are not named stay as they were. */
  | { readonly kind: "OffersChanged"; readonly offers: readonly Offer[] }
  /** undefined: the account has no settings (any more); it is served as `DEFAULT_CAPACITY` says. */
  | {
      readonly kind: "AccountCapacityChanged";
      readonly accountId: AccountId;
      readonly capacity: CapacitySettings | undefined;
    }
  /** What is asked for of a function's executions at a time; undefined: nothing (any more). */
  | {
      readonly kind: "ConcurrencyConfigured";
      readonly accountId: AccountId;
      readonly functionName: string;
      readonly settings: ConcurrencySettings | undefined;
    }
  /** A rebalance recommendation: the instance may be reclaimed soon. */
  | { readonly kind: "InstanceAtRisk"; readonly instanceId: InstanceId; readonly reason: string }
  /** The instance will be taken away at `deadlineMs` (the core's clock). */
  | {
      readonly kind: "ReclaimNoticed";
      readonly instanceId: InstanceId;
      readonly deadlineMs: number;
      readonly reason: string;
    }
  /** The host's idea of the time is the core's clock plus this; time windows go by it. */
  | { readonly kind: "WallClockSet"; readonly offsetMs: number }
  /** A container that was told to prewarm holds its function and waits; if it cannot, ContainerGone comes instead. */
  | { readonly kind: "ContainerPrewarmed"; readonly instanceId: InstanceId; readonly containerId: ContainerId }
  /** The instance or the way to its agent is gone; nothing in it will answer any more. */
  | { readonly kind: "InstanceLost"; readonly instanceId: InstanceId; readonly reason: string }
  /** A container that was asked for is blank and waits. */
  | {
      readonly kind: "ContainerReady";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      /** What it holds; undefined: nobody knows. */
      readonly memoryMiB?: number | undefined;
    }
  /** A container ended: it was destroyed as asked, died while idle, or could not be made. */
  | {
      readonly kind: "ContainerGone";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly reason: string;
    }
  /** A container's memory limit was raised while it ran; it would have been killed. */
  | {
      readonly kind: "ContainerResized";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly memoryMiB: number;
    }
  /** The memory that an instance's containers really use has become much, or is not any more. */
  | { readonly kind: "InstancePressure"; readonly instanceId: InstanceId; readonly memoryUsedMiB: number }
  /** undefined: nothing is said of this function's, or account's, sizes any more. */
  | {
      readonly kind: "SizingConfigured";
      readonly scope: SizingScope;
      readonly settings: Partial<SizingSettings> | undefined;
    }
  /** While stopped everything new gets what it states, and nothing is decided about sizes. */
  | { readonly kind: "SizingStopped"; readonly isStopped: boolean }
  /** The function was updated or deleted: containers that hold this key serve nobody any more. */
  | { readonly kind: "FunctionRetired"; readonly functionKey: FunctionKey }
  /** The account has a function of this runtime, or is about to: its blank containers are worth their memory from now on. */
  | { readonly kind: "RuntimeWanted"; readonly accountId: AccountId; readonly runtime: RuntimeName }
  /** No new invocations are admitted and nothing new is launched; what runs may finish. */
  | { readonly kind: "ShutdownBegan" }
  /** Time passed. The shell sends it when `ControlPlane.wakeAtMs` is reached. */
  | { readonly kind: "Tick" };

/** Something the world is asked to do. The control plane acts in no other way. */
export type Command =
  | { readonly kind: "RunInvocation"; readonly lease: Lease }
  | { readonly kind: "RejectInvocation"; readonly invocation: Invocation; readonly code: RejectCode }
  | {
      readonly kind: "LaunchInstance";
      readonly instanceId: InstanceId;
      readonly subPool: SubPool;
      readonly offerId: OfferId;
      readonly shape: Shape;
      /** The most to pay for variable capacity; undefined: whatever it costs. */
      readonly bidUsdPerHour: number | undefined;
      readonly reason: string;
    }
  | { readonly kind: "TerminateInstance"; readonly instanceId: InstanceId; readonly reason: string }
  /** From now on the instance serves this account and never another. */
  | { readonly kind: "AssignInstance"; readonly instanceId: InstanceId; readonly accountId: AccountId }
  /** Make a blank container; answered by ContainerReady or ContainerGone. */
  | {
      readonly kind: "CreateContainer";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly runtime: RuntimeName;
      /** What it is counted with; its limit is the same for all that are blank. */
      readonly reservedMiB: number;
      readonly reason: string;
    }
  /** Load a function into a blank container ahead of its call; answered by ContainerPrewarmed or ContainerGone. */
  | {
      readonly kind: "PrewarmContainer";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly functionKey: FunctionKey;
      readonly grant: Grant;
      readonly reason: string;
    }
  | {
      readonly kind: "DestroyContainer";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly reason: string;
    };
