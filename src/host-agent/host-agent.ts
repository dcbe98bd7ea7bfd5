import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { HearthError } from "../model/error-code.ts";
import type { InstanceId } from "../model/ids.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import type { CodeStore } from "../ports/code-store.ts";
import type { Log } from "../ports/log.ts";
import type { HostDescription, HostLoad, HostToServer, InstanceOrder } from "../protocol/host-protocol.ts";
import { parseJoinToken } from "../protocol/join-token.ts";
import { dialPinned } from "../protocol/pinned-tls.ts";
import { AgentRelay } from "./agent-relay.ts";
import { CodeCache } from "./code-cache.ts";
import { fetchCode } from "./code-fetch.ts";
import type { HostIdentity } from "./host-identity.ts";
import { HostLink, type HostOrder } from "./host-link.ts";
import type { NoticeSource } from "./notice-source.ts";

export type HostAgentOptions = {
  readonly server: { readonly host: string; readonly port: number };
  /** `SECRET.PIN`; undefined: the machine has joined before. */
  readonly joinToken: string | undefined;
  readonly identity: HostIdentity;
  readonly host: HostDescription;
  readonly provider: CapacityProvider;
  /** Unix socket for the agents of this host. */
  readonly socketPath: string;
  readonly codeDir: string;
  readonly codeStore: CodeStore;
  readonly codeBytesMax: number;
  /** See `isSingle` and `orphanMs` of the configuration. */
  readonly isSingle: boolean;
  readonly orphanMs: number;
  readonly notices: NoticeSource | undefined;
  load(): HostLoad;
  readonly log: Log;
};

/** Why a host agent ended by itself; `refused`: the server does not want it. */
export type HostAgentEnd = { readonly kind: "refused" | "instanceEnded" | "orphaned"; readonly reason: string };

const DIAL_MS_MAX = 10_000;
/** How long an agent's connection waits for the control link; below the time that agents give a server to say welcome. */
const LINK_MS_MAX = 3_000;
/** What the server has to say after a single instance ended: most often, to end it. */
const LAST_ORDERS_MS = 3_000;
const TERMINATE_TRIES_MAX = 5;
const TERMINATE_PAUSE_MS = 500;
const GONE_POLL_MS = 100;

/** Carries out a server's orders on this machine with a provider of this machine. */
export class HostAgent {
  readonly #options: HostAgentOptions;
  readonly #link: HostLink;
  readonly #relay: AgentRelay;
  readonly #code: CodeCache;
  readonly #ended = Promise.withResolvers<HostAgentEnd>();
  readonly #dial: () => Promise<Socket>;
  readonly #serverKeySha256: string;
  /** undefined: it has joined. */
  #secret: string | undefined;
  /** Tried once when the server does not know the machine any more. */
  #spareSecret: string | undefined;
  readonly #starting = new Map<InstanceId, Promise<void>>();
  /** Ended by themselves, and not told to a server yet. */
  readonly #exits = new Map<InstanceId, string>();
  #reclaim: { readonly atMs: number; readonly reason: string } | undefined;
  #atRisk: string | undefined;
  #orphanTimer: NodeJS.Timeout | undefined;
  #whenOpen: (() => void)[] = [];
  #isStopping = false;

  private constructor(options: HostAgentOptions, way: WayIn, dial: () => Promise<Socket>, code: CodeCache) {
    this.#options = options;
    this.#code = code;
    this.#dial = dial;
    this.#serverKeySha256 = way.serverKeySha256;
    this.#secret = way.secret;
    this.#spareSecret = way.spareSecret;
    const { socketPath, log, host, load } = options;
    this.#relay = new AgentRelay({ socketPath, code, log, dial: () => this.#dialForAgent() });
    this.#link = new HostLink({
      host,
      load,
      log,
      dial,
      secret: () => this.#secret,
      instanceIds: () => this.#instanceIds(),
      onWelcome: (welcome) => this.#welcomed(welcome.hostId),
      onOrder: (order) => void this.#obey(order),
      onAway: () => this.#away(),
      onRefused: ({ detail, isFinal }) => this.#refused(detail, isFinal),
    });
  }

  /**
   * Finds the instances of an earlier host agent and begins to dial.
   * @throws HearthError JOIN_REFUSED without a token; Error naming what failed.
   */
  static async start(options: HostAgentOptions): Promise<HostAgent> {
    const { codeDir: dir, codeStore: store, codeBytesMax: bytesMax, log, provider, server, identity } = options;
    const way = wayIn(options);
    const dial = () => dialPinned({ ...server, keySha256: way.serverKeySha256 }, identity.key, DIAL_MS_MAX);
    const running = await provider.list();
    const fetch = (sha256Hex: string) => fetchCode(dial, sha256Hex);
    const agent = new HostAgent(
      options,
      way,
      dial,
      await CodeCache.open({ dir, store, bytesMax, log, fetch }, running),
    );
    provider.watch({
      onOffers: () => {},
      onAtRisk: () => {},
      onReclaim: () => {},
      onExit: (instanceId, reason) => agent.#exited(instanceId, reason),
    });
    await agent.#relay.listen();
    options.notices?.start(
      (reason) => agent.#noticeRisk(reason),
      (leftMs, reason) => agent.#noticeReclaim(leftMs, reason),
    );
    agent.#startOrphanTimer();
    agent.#link.start();
    if (running.length > 0) log.info({ running }, "instances of an earlier host agent are here");
    return agent;
  }

  /** Resolves when the agent has nothing to do any more; call `stop` then. */
  get ended(): Promise<HostAgentEnd> {
    return this.#ended.promise;
  }

  /**
   * Tells the server that the machine goes, waits up to `graceMs` for it to empty its instances, ends what is left, and gives
   * back what belongs to none. With `hurry` the wait is cut short.
   */
  async stop(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#orphanTimer);
    this.#options.notices?.stop();
    const { provider, log } = this.#options;
    if (graceMs > 0) this.#noticeReclaim(graceMs, "the host agent is being stopped");
    const untilMs = performance.now() + graceMs;
    while (this.#link.isOpen && !hurry.aborted && performance.now() < untilMs) {
      if ((await this.#instanceIds()).length === 0) break;
      await delay(GONE_POLL_MS);
    }
    for (const instanceId of await this.#instanceIds()) {
      await this.#terminate(instanceId).catch((error: unknown) =>
        log.error({ instanceId, error }, "an instance could not be ended"),
      );
    }
    await this.#link.close();
    this.#relay.close();
    await provider.close();
  }

  // The way to the server

  /** Waits for the control link: without it there is no server, or it does not know this machine yet. */
  async #dialForAgent(): Promise<Socket> {
    if (!this.#link.isOpen) {
      await Promise.race([
        new Promise<void>((resolve) => this.#whenOpen.push(resolve)),
        delay(LINK_MS_MAX, undefined, { ref: false }),
      ]);
    }
    if (!this.#link.isOpen) throw new Error("there is no link to the server");
    return this.#dial();
  }

  async #instanceIds(): Promise<readonly InstanceId[]> {
    return [...new Set([...(await this.#options.provider.list()), ...this.#starting.keys()])];
  }

  async #welcomed(hostId: string): Promise<void> {
    const { identity, log } = this.#options;
    // On disk before anything is started: a machine that forgets who it is could not come back.
    if (this.#secret !== undefined) await identity.remember({ hostId, serverKeySha256: this.#serverKeySha256 });
    this.#secret = undefined;
    clearTimeout(this.#orphanTimer);
    this.#orphanTimer = undefined;
    log.info({ hostId }, "linked to the server");
    // After the link has become open.
    setImmediate(() => this.#report());
  }

  /** What was missed while there was no link. */
  #report(): void {
    if (!this.#link.isOpen) return;
    for (const [instanceId, reason] of this.#exits) {
      if (this.#link.tell({ kind: "exited", instanceId, reason })) this.#exits.delete(instanceId);
    }
    if (this.#atRisk !== undefined) this.#link.tell({ kind: "atRisk", reason: this.#atRisk });
    this.#tellReclaim();
    for (const open of this.#whenOpen.splice(0)) open();
  }

  #away(): void {
    this.#relay.cutAll();
    this.#startOrphanTimer();
  }

  #refused(reason: string, isFinal: boolean): boolean {
    this.#options.log.error({ reason }, "no link to the server: refused");
    if (!isFinal) return true;
    if (this.#secret === undefined && this.#spareSecret !== undefined) {
      this.#secret = this.#spareSecret;
      this.#spareSecret = undefined;
      return true;
    }
    this.#ended.resolve({ kind: "refused", reason });
    return false;
  }

  #startOrphanTimer(): void {
    if (!this.#options.isSingle || this.#isStopping) return;
    const { orphanMs } = this.#options;
    const reason = `no server for ${orphanMs} ms`;
    this.#orphanTimer ??= setTimeout(() => this.#ended.resolve({ kind: "orphaned", reason }), orphanMs);
  }

  // Orders

  async #obey(order: HostOrder): Promise<void> {
    const { orderId } = order;
    try {
      if (order.kind === "launch") await this.#launch(order.order);
      else await this.#terminate(order.instanceId);
      this.#link.tell({ kind: "done", orderId });
    } catch (error) {
      this.#options.log.error({ kind: order.kind, error }, "an order could not be carried out");
      const code =
        error instanceof HearthError && error.code === "INSUFFICIENT_CAPACITY" ? error.code : "LAUNCH_FAILED";
      this.#link.tell({ kind: "done", orderId, failure: { code, detail: (error as Error).message.slice(0, 4000) } });
    }
    if (order.kind === "terminate" && this.#options.isSingle)
      this.#ended.resolve({ kind: "instanceEnded", reason: "as the server ordered" });
  }

  async #launch(order: InstanceOrder): Promise<void> {
    const { instanceId } = order;
    if (this.#isStopping) throw new HearthError("INSUFFICIENT_CAPACITY", "the host agent is being stopped");
    const starting =
      this.#starting.get(instanceId) ?? this.#start(order).finally(() => this.#starting.delete(instanceId));
    this.#starting.set(instanceId, starting);
    await starting;
  }

  async #start(order: InstanceOrder): Promise<void> {
    const { provider, socketPath } = this.#options;
    if ((await provider.list()).includes(order.instanceId)) return;
    this.#exits.delete(order.instanceId);
    await provider.launch({ ...order, bidUsdPerHour: undefined, serverSocketPath: socketPath });
  }

  async #terminate(instanceId: InstanceId): Promise<void> {
    await this.#starting.get(instanceId)?.catch(() => {}); // Its failure is the launch's answer.
    for (let tries = 1; ; tries++) {
      try {
        await this.#options.provider.terminate(instanceId);
        break;
      } catch (error) {
        if (tries >= TERMINATE_TRIES_MAX) throw error;
        await delay(TERMINATE_PAUSE_MS);
      }
    }
    this.#exits.delete(instanceId);
    this.#code.release(instanceId);
  }

  #exited(instanceId: InstanceId, reason: string): void {
    const isTold = this.#link.tell({ kind: "exited", instanceId, reason });
    if (!isTold) this.#exits.set(instanceId, reason);
    this.#options.log.warn({ instanceId, reason }, "an instance ended");
    if (!this.#options.isSingle) return;
    setTimeout(() => this.#ended.resolve({ kind: "instanceEnded", reason }), LAST_ORDERS_MS);
  }

  // Notices

  #noticeRisk(reason: string): void {
    if (this.#atRisk === reason) return;
    this.#atRisk = reason;
    this.#options.log.warn({ reason }, "this machine may be taken away");
    this.#tell({ kind: "atRisk", reason });
  }

  #noticeReclaim(leftMs: number, reason: string): void {
    this.#reclaim = { atMs: performance.now() + leftMs, reason };
    this.#options.log.warn({ leftMs, reason }, "this machine will be taken away");
    this.#tellReclaim();
  }

  #tellReclaim(): void {
    if (this.#reclaim === undefined) return;
    const { atMs, reason } = this.#reclaim;
    this.#tell({ kind: "reclaim", leftMs: Math.max(0, atMs - performance.now()), reason });
  }

  /** Without a link it is told by the next `#report`. */
  #tell(message: HostToServer): void {
    this.#link.tell(message);
  }
}

/** By what a machine is let in. */
type WayIn = {
  readonly serverKeySha256: string;
  readonly secret: string | undefined;
  readonly spareSecret: string | undefined;
};

/** A machine that joined this server needs no token; one that joined another leaves that for the token's. */
function wayIn({ joinToken, identity: { membership } }: HostAgentOptions): WayIn {
  const token = joinToken === undefined ? undefined : parseJoinToken(joinToken);
  if (membership !== undefined && (token === undefined || token.serverKeySha256 === membership.serverKeySha256))
    return { serverKeySha256: membership.serverKeySha256, secret: undefined, spareSecret: token?.secret };
  if (token === undefined) throw new HearthError("JOIN_REFUSED", "this machine has no join token");
  return { ...token, spareSecret: undefined };
}
