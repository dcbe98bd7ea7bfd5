import type { Socket } from "node:net";
import type { ProviderKind } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type {
  HostInstance,
  HostRecord,
  HostStore,
  HostSummary,
  HostTerms,
  JoinInvitation,
} from "../../ports/remote-host.ts";
import {
  HOST_PROTOCOL_VERSION,
  type HostGreeting,
  type HostLoad,
  type HostToServer,
  type InstanceOrder,
  instanceOrderSchema,
} from "../../protocol/host-protocol.ts";
import { formatJoinToken } from "../../protocol/join-token.ts";
import { HostConnection } from "./host-connection.ts";
import { JoinTokens } from "./join-tokens.ts";
import type { HostOwner, RemoteHost, RemoteHosts } from "./remote-hosts.ts";

export type JoinedHostsOptions = {
  readonly store: HostStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Pin of the server's key, for join tokens. */
  readonly serverKeySha256: string;
  /** Where the endpoint is reached, once it listens. */
  addresses(): readonly string[];
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  /** The host is forgotten: its connections are to be cut. */
  onForgotten(hostId: string): void;
};

/** The greeting of a control link. */
export type ControlGreeting = Extract<HostGreeting, { kind: "join" | "hostHello" }>;

type Entry = {
  record: HostRecord;
  connection: HostConnection | undefined;
  load: HostLoad | undefined;
  /** Ordered, and not answered yet; each settles with its answer, and never rejects. */
  readonly launching: Map<InstanceId, Promise<unknown>>;
};

/** A start makes a container image and a trial first where the host is new. */
const LAUNCH_MS_MAX = 60_000;
const TERMINATE_MS_MAX = 30_000;
/** A change of a host's load that its owner is told. */
const LOAD_STEP = 0.05;
const DEFAULT_ZONE = "default";
/** Instances that a line of the log names. */
const NAMED_MAX = 10;

/** `RemoteHosts` over what the store keeps and the control links that are open. */
export class JoinedHosts implements RemoteHosts {
  readonly #options: JoinedHostsOptions;
  readonly #tokens: JoinTokens;
  readonly #entries: Map<string, Entry>;
  readonly #owners = new Map<ProviderKind, HostOwner>();
  /** Of hosts that are being written down: nobody else may have their names either. */
  readonly #joining = new Map<string, HostRecord>();

  private constructor(options: JoinedHostsOptions, tokens: JoinTokens, records: readonly HostRecord[]) {
    this.#options = options;
    this.#tokens = tokens;
    this.#entries = new Map(records.map((record) => [record.hostId, entryOf(record)]));
  }

  /** @throws HearthError STORE_FAILED. */
  static async load(options: JoinedHostsOptions): Promise<JoinedHosts> {
    const hosts = new JoinedHosts(options, await JoinTokens.load(options.store), await options.store.loadHosts());
    await hosts.#renameDoubles();
    return hosts;
  }

  /** Earlier versions gave machines that joined at the same moment the same name. */
  async #renameDoubles(): Promise<void> {
    for (const entry of this.#entries.values()) {
      const { name, zone, hostId } = entry.record;
      const others = [...this.#entries.values()].filter(({ record }) => record.zone === zone && record.name === name);
      if (others[0] === entry) continue;
      entry.record = { ...entry.record, name: this.#uniqueName(name, zone, hostId) };
      await this.#options.store.putHost(entry.record);
    }
  }

  own(kind: ProviderKind, owner: HostOwner): void {
    this.#owners.set(kind, owner);
  }

  list(): readonly HostSummary[] {
    return [...this.#entries.values()].map((entry) => {
      const { instance: _, load, ...rest } = viewOf(entry);
      return { ...rest, cpuLoad: load?.cpu };
    });
  }

  hostsOf(kind: ProviderKind): readonly RemoteHost[] {
    return [...this.#entries.values()].filter(({ record }) => record.terms.provider === kind).map(viewOf);
  }

  hostOfInstance(instanceId: InstanceId): RemoteHost | undefined {
    const entry = this.#singleOf(instanceId);
    return entry && viewOf(entry);
  }

  /** Whether the host with this key was ordered the instance. */
  isOrderedTo(keySha256: string, instanceId: InstanceId): boolean {
    return this.#byKey(keySha256)?.record.instanceIds.includes(instanceId) ?? false;
  }

  /** What was ordered from the host and is not known to have ended. */
  instanceIdsOn(hostId: string): readonly InstanceId[] {
    return this.#entries.get(hostId)?.record.instanceIds ?? [];
  }

  /** @returns undefined when no host has this key. */
  hostIdOf(keySha256: string): string | undefined {
    return this.#byKey(keySha256)?.record.hostId;
  }

  // Invitations

  createToken(terms: HostTerms, expiresInMs: number): Promise<JoinInvitation> {
    return this.#invite(terms, undefined, expiresInMs);
  }

  async inviteForInstance(terms: HostTerms, order: LaunchOrder, expiresInMs: number): Promise<JoinInvitation> {
    const { instanceId, offerId, subPool, shape, token } = order;
    await this.#tokens.revoke(instanceId);
    return this.#invite(terms, { instanceId, offerId, subPool, shape, token }, expiresInMs);
  }

  async #invite(terms: HostTerms, instance: HostInstance | undefined, expiresInMs: number): Promise<JoinInvitation> {
    const { clock, serverKeySha256, addresses } = this.#options;
    const nowMs = clock.nowMs();
    const expiresMs = nowMs + expiresInMs;
    const secret = await this.#tokens.make(terms, instance, expiresMs, nowMs);
    return { token: formatJoinToken({ secret, serverKeySha256 }), addresses: addresses(), expiresMs };
  }

  async forgetInstance(instanceId: InstanceId): Promise<void> {
    await this.#tokens.revoke(instanceId);
    const entry = this.#singleOf(instanceId);
    if (entry !== undefined) await this.#forget(entry, "its instance has ended");
  }

  async remove(hostId: string): Promise<boolean> {
    const entry = this.#entries.get(hostId);
    if (entry === undefined) return false;
    await Promise.all(
      entry.record.instanceIds.map(async (instanceId) => {
        await this.terminateOn(hostId, instanceId).catch((error: unknown) =>
          this.#options.log.error({ hostId, instanceId, error }, "an instance of a removed host could not be ended"),
        );
        this.#ownerOf(entry)?.onExit(viewOf(entry), instanceId, "its host was removed");
      }),
    );
    await this.#tokens.revokeUsedBy(entry.record.keySha256);
    await this.#forget(entry, "the operator removed this machine");
    this.#ownerOf(entry)?.onRemoved(viewOf(entry));
    return true;
  }

  // Instances

  async launchOn(hostId: string, order: LaunchOrder): Promise<void> {
    const entry = this.#entries.get(hostId);
    const parsed = instanceOrderSchema.safeParse(order);
    if (!parsed.success) throw new HearthError("LAUNCH_FAILED", "the order's shape or name is none");
    if (entry?.connection === undefined)
      throw new HearthError("INSUFFICIENT_CAPACITY", `host ${hostId} is not connected`);
    const { instanceId } = parsed.data;
    if (entry.record.instanceIds.includes(instanceId) || entry.launching.has(instanceId))
      throw new HearthError("LAUNCH_FAILED", `instance ${instanceId} exists`);
    const launch = this.#launch(entry, parsed.data);
    entry.launching.set(
      instanceId,
      launch.catch(() => {}),
    );
    await launch.finally(() => entry.launching.delete(instanceId));
  }

  async #launch(entry: Entry, order: InstanceOrder): Promise<void> {
    const { instanceId } = order;
    const link = entry.connection;
    try {
      await this.#keep(entry, { instanceIds: [...entry.record.instanceIds, instanceId] });
      const { connection } = entry;
      if (connection === undefined) throw new HearthError("INSUFFICIENT_CAPACITY", "its host was cut off");
      await connection.launch(order, LAUNCH_MS_MAX);
    } catch (error) {
      this.#withdraw(entry, instanceId, link);
      throw error instanceof HearthError && error.code !== "STORE_FAILED"
        ? error
        : new HearthError("LAUNCH_FAILED", (error as Error).message, { cause: error });
    }
  }

  /** A launch that failed, or of which nobody knows: nothing of it may stay, unless it is ordered anew. */
  #withdraw(entry: Entry, instanceId: InstanceId, link: HostConnection | undefined): void {
    this.#keepLater(entry, without(entry.record, instanceId));
    if (entry.record.instance?.instanceId === instanceId && entry.connection !== link) return;
    entry.connection?.terminate(instanceId, TERMINATE_MS_MAX).catch(() => {}); // Else when it connects again.
  }

  async terminateOn(hostId: string, instanceId: InstanceId): Promise<void> {
    const entry = this.#entries.get(hostId);
    if (entry === undefined) return;
    await entry.launching.get(instanceId);
    try {
      await entry.connection?.terminate(instanceId, TERMINATE_MS_MAX);
    } catch (error) {
      // Cut off meanwhile: it is a stray from now on, and ended when its host is back.
      if (entry.connection !== undefined) throw error;
    }
    if (entry.record.instance?.instanceId === instanceId) await this.forgetInstance(instanceId);
    else await this.#keep(entry, without(entry.record, instanceId));
  }

  // Hosts

  /**
   * Lets a machine in that greeted, or not. Its socket is paused.
   * @throws HearthError JOIN_REFUSED, PROTOCOL_VIOLATION, PROVIDER_UNAVAILABLE, STORE_FAILED.
   */
  async admit(socket: Socket, keySha256: string, greeting: ControlGreeting): Promise<string> {
    if (greeting.protocolVersion !== HOST_PROTOCOL_VERSION) {
      const says = `the host agent speaks protocol version ${greeting.protocolVersion}, the server ${HOST_PROTOCOL_VERSION}`;
      throw new HearthError("PROTOCOL_VIOLATION", says);
    }
    const entry =
      greeting.kind === "join" ? await this.#join(keySha256, greeting) : (this.#byKey(keySha256) ?? unknownKey());
    const { hostId, terms } = entry.record;
    if (!this.#owners.has(terms.provider))
      throw new HearthError("PROVIDER_UNAVAILABLE", `the server runs without provider ${terms.provider} now`);
    this.#connect(entry, socket, greeting);
    return hostId;
  }

  async #join(keySha256: string, { secret, host }: Extract<ControlGreeting, { kind: "join" }>): Promise<Entry> {
    const { clock, log } = this.#options;
    const token = await this.#tokens.use(secret, keySha256, clock.nowMs());
    const known = this.#byKey(keySha256);
    const { terms, instance } = token;
    const hostId = known?.record.hostId ?? token.hostId;
    const zone = terms.zone ?? host.zone ?? DEFAULT_ZONE;
    const record: HostRecord = {
      hostId,
      terms,
      keySha256,
      joinedMs: clock.nowMs(),
      name: this.#uniqueName(terms.name ?? host.name, zone, hostId),
      zone,
      offered: host.offered,
      isolation: host.isolation,
      version: host.version,
      instanceIds: known?.record.instanceIds ?? [],
      instance,
    };
    const entry = known ?? entryOf(record);
    this.#joining.set(hostId, record);
    try {
      await this.#options.store.putHost(record);
    } finally {
      this.#joining.delete(hostId);
    }
    if (known === undefined && !this.#tokens.isGood(secret)) {
      // Its instance was ended, or forgotten, while it was written down.
      await this.#options.store.deleteHost(hostId);
      throw new HearthError("JOIN_REFUSED", "this one was withdrawn");
    }
    entry.record = record;
    this.#entries.set(hostId, entry);
    log.info({ hostId, name: record.name, zone, provider: terms.provider }, "a host joined");
    return entry;
  }

  /** Offers are named for hosts, so no two may have the same name in one zone. */
  #uniqueName(wanted: string, zone: string, hostId: string): string {
    const records = [...[...this.#entries.values()].map(({ record }) => record), ...this.#joining.values()];
    const others = records.filter((record) => record.zone === zone && record.hostId !== hostId);
    const taken = new Set(others.map((record) => record.name));
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted.slice(0, 56)}-${number}`;
    return name;
  }

  #connect(entry: Entry, socket: Socket, { host, instanceIds }: ControlGreeting): void {
    const { clock, log, heartbeatMs, silenceMs } = this.#options;
    const { hostId, name } = entry.record;
    const earlier = entry.connection;
    entry.connection = undefined; // Replaced, not cut off.
    earlier?.end("it connected again");
    const connection = new HostConnection({
      socket,
      clock,
      heartbeatMs,
      silenceMs,
      onTold: (told) => this.#hear(entry, told),
      onEnd: (reason) => {
        if (entry.connection === connection) this.#disconnected(entry, reason);
      },
    });
    entry.connection = connection;
    entry.load = { cpu: 0 };
    const { offered, isolation, version } = host;
    this.#keepLater(entry, { offered, isolation, version });
    connection.open({ kind: "welcome", protocolVersion: HOST_PROTOCOL_VERSION, hostId, heartbeatMs, silenceMs });
    log.info({ hostId, name, instances: instanceIds.length }, "a host is connected");
    this.#reconcile(entry, new Set(instanceIds));
    this.#ownerOf(entry)?.onHost(viewOf(entry));
  }

  /** What runs there and was not ordered is ended; what was ordered and does not run has exited. */
  #reconcile(entry: Entry, there: ReadonlySet<InstanceId>): void {
    const { record, launching } = entry;
    const { instance } = record;
    const isWanted = (id: InstanceId) =>
      id === instance?.instanceId || (record.instanceIds.includes(id) && !launching.has(id));
    void this.#endStrays(
      entry,
      [...there].filter((instanceId) => !isWanted(instanceId)),
    );
    const missing = record.instanceIds.filter((id) => !there.has(id) && !launching.has(id));
    const isNew = instance !== undefined && !record.instanceIds.includes(instance.instanceId);
    for (const instanceId of missing) {
      this.#keepLater(entry, without(entry.record, instanceId));
      this.#exited(entry, instanceId, "it is not on its host any more");
    }
    if (instance === undefined || !isNew) return;
    if (there.has(instance.instanceId)) this.#keepLater(entry, { instanceIds: [instance.instanceId] });
    else void this.#launchSingle(entry, instance);
  }

  /** The machine names them: one line says of all what became of them. */
  async #endStrays({ record: { hostId }, connection }: Entry, strays: readonly InstanceId[]): Promise<void> {
    if (strays.length === 0 || connection === undefined) return;
    const { log } = this.#options;
    const some = { hostId, count: strays.length, instanceIds: strays.slice(0, NAMED_MAX) };
    log.info(some, "a host runs instances that are not wanted any more");
    const ends = await Promise.allSettled(strays.map((id) => connection.terminate(id, TERMINATE_MS_MAX)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length === 0) return;
    const error: unknown = failures[0]?.reason;
    log.error({ ...some, failed: failures.length, error }, "instances that are not wanted could not be ended");
  }

  async #launchSingle(entry: Entry, instance: HostInstance): Promise<void> {
    const { hostId } = entry.record;
    const link = entry.connection;
    try {
      await this.launchOn(hostId, { ...instance, bidUsdPerHour: undefined, serverSocketPath: "" });
    } catch (error) {
      this.#options.log.error({ hostId, ...instance, token: "", error }, "a single host could not start its instance");
      // Cut off: it is ordered again when the host is back, or is back already.
      if (entry.connection === undefined) return;
      if (entry.connection !== link) void this.#launchSingle(entry, instance);
      else this.#exited(entry, instance.instanceId, (error as Error).message);
    }
  }

  #disconnected(entry: Entry, reason: string): void {
    const { hostId, name } = entry.record;
    entry.connection = undefined;
    entry.load = undefined;
    this.#options.log.warn({ hostId, name, reason }, "a host is cut off");
    if (this.#entries.has(hostId)) this.#ownerOf(entry)?.onHost(viewOf(entry));
  }

  #hear(entry: Entry, told: Exclude<HostToServer, { kind: "done" }>): void {
    const owner = this.#ownerOf(entry);
    const { hostId } = entry.record;
    switch (told.kind) {
      case "exited":
        // Of instances of its own only.
        if (entry.record.instanceIds.includes(told.instanceId)) this.#exited(entry, told.instanceId, told.reason);
        return;
      case "atRisk":
        return owner?.onAtRisk(viewOf(entry), told.reason);
      case "reclaim":
        return owner?.onReclaim(viewOf(entry), this.#options.clock.monotonicMs() + told.leftMs, told.reason);
      case "trouble":
        return this.#options.log.warn({ hostId, text: told.text }, "a host has trouble");
      case "heartbeat": {
        const hasMoved = Math.abs(told.load.cpu - (entry.load?.cpu ?? 0)) >= LOAD_STEP;
        if (hasMoved || entry.load?.memoryAvailableMiB === undefined) {
          entry.load = told.load;
          owner?.onHost(viewOf(entry));
        }
        return;
      }
      default:
        told satisfies never;
    }
  }

  /** What it has left there is cleaned up when its owner ends it: until then it stays written down. */
  #exited(entry: Entry, instanceId: InstanceId, reason: string): void {
    const host = viewOf(entry);
    // A machine whose one instance ended is never ordered it again.
    if (entry.record.instance?.instanceId === instanceId) {
      this.forgetInstance(instanceId).catch((error: unknown) => this.#notKept(entry, error));
    }
    this.#ownerOf(entry)?.onExit(host, instanceId, reason);
  }

  async #forget(entry: Entry, reason: string): Promise<void> {
    const { hostId } = entry.record;
    this.#entries.delete(hostId);
    const { connection } = entry;
    entry.connection = undefined;
    entry.load = undefined;
    connection?.end(reason, { kind: "refused", code: "JOIN_REFUSED", detail: reason, isFinal: true });
    this.#options.onForgotten(hostId);
    await this.#options.store.deleteHost(hostId);
  }

  /** Ends all links; hosts dial again until a server is there. */
  close(): void {
    for (const { connection } of this.#entries.values()) connection?.end("the server shuts down");
  }

  async #keep(entry: Entry, change: Partial<HostRecord>): Promise<void> {
    const before = JSON.stringify(entry.record);
    entry.record = { ...entry.record, ...change };
    const isKept = this.#entries.get(entry.record.hostId) === entry;
    if (isKept && JSON.stringify(entry.record) !== before) await this.#options.store.putHost(entry.record);
  }

  /** For what is found out again if it is lost. */
  #keepLater(entry: Entry, change: Partial<HostRecord>): void {
    this.#keep(entry, change).catch((error: unknown) => this.#notKept(entry, error));
  }

  #notKept(entry: Entry, error: unknown): void {
    this.#options.log.error({ hostId: entry.record.hostId, error }, "what a host runs could not be written down");
  }

  #byKey(keySha256: string): Entry | undefined {
    return [...this.#entries.values()].find(({ record }) => record.keySha256 === keySha256);
  }

  #singleOf(instanceId: InstanceId): Entry | undefined {
    return [...this.#entries.values()].find(({ record }) => record.instance?.instanceId === instanceId);
  }

  #ownerOf(entry: Entry): HostOwner | undefined {
    return this.#owners.get(entry.record.terms.provider);
  }
}

function unknownKey(): never {
  throw new HearthError("JOIN_REFUSED", "this machine's key is unknown here: it never joined, or was removed");
}

function entryOf(record: HostRecord): Entry {
  return { record, connection: undefined, load: undefined, launching: new Map() };
}

function viewOf({ record, connection, load }: Entry): RemoteHost {
  return { ...record, isConnected: connection !== undefined, load };
}

function without({ instanceIds }: HostRecord, instanceId: InstanceId): Partial<HostRecord> {
  return { instanceIds: instanceIds.filter((each) => each !== instanceId) };
}
