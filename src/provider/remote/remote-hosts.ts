import type { ProviderKind } from "../../model/capacity.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import type { HostAdmin, HostRecord, HostTerms, JoinInvitation } from "../../ports/remote-host.ts";
import type { HostLoad } from "../../protocol/host-protocol.ts";

/** A joined host, as its provider sees it. A new value whenever something of it changes. */
export type RemoteHost = HostRecord & {
  readonly isConnected: boolean;
  /** As it said last; undefined: not connected. */
  readonly load: HostLoad | undefined;
};

/**
 * The provider that hosts of one kind belong to. Called when it has happened; never from within a call of its own to
 * `RemoteHosts`.
 */
export type HostOwner = {
  /** It joined, came back, is cut off, changed what it offers or how busy it is. A single host has been ordered its instance by then. */
  onHost(host: RemoteHost): void;
  /** The operator removed it; its instances were reported as exited. */
  onRemoved(host: RemoteHost): void;
  /** The machine, and every instance on it, may be reclaimed soon. */
  onAtRisk(host: RemoteHost, reason: string): void;
  /** It is taken away at `deadlineMs` of the server's monotonic clock. */
  onReclaim(host: RemoteHost, deadlineMs: number, reason: string): void;
  /** An instance ended there, or was found not to be there any more. */
  onExit(host: RemoteHost, instanceId: InstanceId, reason: string): void;
};

/**
 * The machines that joined, by id; the providers that launch elsewhere (`static`, `microvm`, `ec2`) work through it.
 *
 * - An **invitation** is a join token with the terms on which the machine becomes a host. Its kind of provider owns the host.
 * - A **single host** is a machine made for one instance: `inviteForInstance` keeps the launch order with the token, and it is
 *   ordered as soon as the machine has joined, also by a server that was started since. The provider's `launch` may
 *   return when the machine runs; the agent's joining makes the instance ready, as everywhere.
 * - What was ordered is written down before the order leaves. When a host connects, what it runs and was not ordered is
 *   ended there, and what was ordered and does not run is reported to its owner as exited.
 */
export type RemoteHosts = HostAdmin & {
  /** From now on hosts of this kind are `owner`'s. Called once per kind, before the endpoint listens. */
  own(kind: ProviderKind, owner: HostOwner): void;
  hostsOf(kind: ProviderKind): readonly RemoteHost[];
  /** The single host that was made for the instance; undefined: it has not joined. */
  hostOfInstance(instanceId: InstanceId): RemoteHost | undefined;

  /** A token for a machine that is this one instance. Made again for the same instance, the earlier token is void. */
  inviteForInstance(terms: HostTerms, order: LaunchOrder, expiresInMs: number): Promise<JoinInvitation>;
  /** The machine is gone or was given up: its token and its host are forgotten, its connections cut. Idempotent. */
  forgetInstance(instanceId: InstanceId): Promise<void>;

  /**
   * Starts an instance on a host; resolves when its agent's process runs.
   * @throws HearthError INSUFFICIENT_CAPACITY when the host is not connected, LAUNCH_FAILED with the host's cause, also
   *   when it is cut off meanwhile: what it may have started is ended when it is back.
   */
  launchOn(hostId: string, order: LaunchOrder): Promise<void>;
  /**
   * Ends an instance; resolves when nothing of it is left, or at once when the host is not connected: it is ended when the host
   * is back. Idempotent. @throws Error when the host cannot end it.
   */
  terminateOn(hostId: string, instanceId: InstanceId): Promise<void>;
};
