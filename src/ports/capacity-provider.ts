import type { InstanceId } from "../model/ids.ts";
import type { Shape, SubPool } from "../model/instance.ts";

/** The kinds of instances that this host can make. */
export type ProviderKind = "process" | "sandbox";

/** What a launched agent needs to dial the server and to prove which instance it is. */
export type LaunchOrder = {
  readonly instanceId: InstanceId;
  readonly subPool: SubPool;
  readonly shape: Shape;
  /** Unix socket path of the server's agent endpoint. */
  readonly serverSocketPath: string;
  /** Secret of this instance; the agent shows it in its first message. */
  readonly token: string;
  /** Called when the agent's process has ended, however it did; only in the server that launched it. */
  onExit(reason: string): void;
};

/** Where instances come from. An instance is ready when its agent joins, not when `launch` resolves. */
export type CapacityProvider = {
  readonly kind: ProviderKind;
  /** One sentence for people: which isolation the instances give, and why this provider was chosen. */
  readonly isolation: string;
  /** The most that all instances together may take from this host. */
  readonly capacity: Shape;

  /**
   * Starts an instance and its agent, and returns once the agent's process runs.
   * @throws HearthError LAUNCH_FAILED, with the cause.
   */
  launch(order: LaunchOrder): Promise<void>;

  /**
   * Ends the instance at once with everything in it: processes, cgroups, namespaces, mounts.
   * Idempotent; also ends an instance of an earlier server that this one does not know.
   */
  terminate(instanceId: InstanceId): Promise<void>;

  /** Instances that exist on this host for this data directory, those of an earlier server included. */
  list(): Promise<readonly InstanceId[]>;

  /** Gives back what belongs to no instance (firewall table, empty parent cgroups). Instances are gone by then. */
  close(): Promise<void>;
};
