import type { RejectCode } from "./error-code.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId } from "./ids.ts";
import type { InstanceReport, Shape, SubPool } from "./instance.ts";
import type { Invocation, Lease, Outcome } from "./invocation.ts";
import type { RuntimeName } from "./runtime.ts";

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
    }
  /** An agent joined: a launched instance is ready, or one of an earlier server is adopted. */
  | { readonly kind: "InstanceJoined"; readonly report: InstanceReport }
  | { readonly kind: "LaunchFailed"; readonly instanceId: InstanceId; readonly code: string }
  /** The instance or the way to its agent is gone; nothing in it will answer any more. */
  | { readonly kind: "InstanceLost"; readonly instanceId: InstanceId; readonly reason: string }
  /** A container that was asked for is blank and waits. */
  | { readonly kind: "ContainerReady"; readonly instanceId: InstanceId; readonly containerId: ContainerId }
  /** A container ended: it was destroyed as asked, died while idle, or could not be made. */
  | {
      readonly kind: "ContainerGone";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly reason: string;
    }
  /** The function was updated or deleted: containers that hold this key serve nobody any more. */
  | { readonly kind: "FunctionRetired"; readonly functionKey: FunctionKey }
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
      readonly shape: Shape;
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
    }
  | {
      readonly kind: "DestroyContainer";
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly reason: string;
    };
