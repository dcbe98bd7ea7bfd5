import type { Offer, ProviderKind } from "../model/capacity.ts";
import type { InstanceId, OfferId } from "../model/ids.ts";
import type { Shape, SubPool } from "../model/instance.ts";

/** What a launched agent needs to dial the server and to prove which instance it is. */
export type LaunchOrder = {
  readonly instanceId: InstanceId;
  readonly offerId: OfferId;
  readonly subPool: SubPool;
  readonly shape: Shape;
  /** The most to pay for variable capacity, for providers whose market takes bids; undefined: whatever it costs. */
  readonly bidUsdPerHour: number | undefined;
  /** Unix socket path of the server's agent endpoint, for agents on this host; others dial the remote endpoint. */
  readonly serverSocketPath: string;
  /** Secret of this instance; the agent shows it in its first message. */
  readonly token: string;
};

/** What a provider tells of its own accord. Times are the server's monotonic clock. */
export type CapacityListener = {
  /** These offers are new or have other terms than before; those not named are as they were. */
  onOffers(offers: readonly Offer[]): void;
  /** The instance may be reclaimed soon: a rebalance recommendation, a host that gets busy. */
  onAtRisk(instanceId: InstanceId, reason: string): void;
  /** The instance is taken away at `deadlineMs`. May come twice, late, or not at all. */
  onReclaim(instanceId: InstanceId, deadlineMs: number, reason: string): void;
  /** Its agent's process or its machine has ended, however it did. */
  onExit(instanceId: InstanceId, reason: string): void;
};

/** Where instances come from. An instance is ready when its agent joins, not when `launch` resolves. */
export type CapacityProvider = {
  readonly kind: ProviderKind;
  /** One sentence for people: which isolation the instances give, and why this provider was chosen. */
  readonly isolation: string;

  /** What can be had now. Constant in number and ids for providers on this host; a catalogue may grow. */
  offers(): readonly Offer[];
  /** From now on the listener is told. Called once, before the first `launch`, never answered synchronously. */
  watch(listener: CapacityListener): void;

  /**
   * Starts an instance and its agent, and returns once the agent's process or its machine runs.
   * @throws HearthError LAUNCH_FAILED or INSUFFICIENT_CAPACITY, with the cause; nothing is left behind then.
   */
  launch(order: LaunchOrder): Promise<void>;

  /**
   * Ends the instance at once with everything in it: processes, cgroups, namespaces, mounts, its machine.
   * Idempotent; also ends an instance of an earlier server that this one does not know.
   */
  terminate(instanceId: InstanceId): Promise<void>;

  /** Instances that exist for this data directory, those of an earlier server included. */
  list(): Promise<readonly InstanceId[]>;

  /** Gives back what belongs to no instance (firewall table, empty parent cgroups, watchers). Instances are gone by then. */
  close(): Promise<void>;
};
