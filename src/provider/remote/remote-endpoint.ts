import type { Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { HostStore } from "../../ports/remote-host.ts";
import { type FirstFrame, readFirstFrame } from "../../protocol/first-frame.ts";
import { encodeFrame, FRAME_BYTES_MAX } from "../../protocol/frame.ts";
import { hostGreetingSchema, JOIN_FRAME_BYTES_MAX } from "../../protocol/host-protocol.ts";
import { loadOrMakeKey, type PinnedKey } from "../../protocol/pinned-key.ts";
import { keepAwake, pinOfPeer, tlsIdentity } from "../../protocol/pinned-tls.ts";
import { CodeSender } from "./code-sender.ts";
import { JoinedHosts } from "./joined-hosts.ts";
import type { RemoteHosts } from "./remote-hosts.ts";

export type RemoteEndpointOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The address that machines are told; undefined: the addresses of this one. */
  readonly advertisedHost: string | undefined;
  readonly dataDir: string;
  readonly store: HostStore;
  /** How often both ends say that they live, and the silence after which the other counts as gone. */
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  /**
   * The archive with this hash, for the host that these instances were ordered from.
   * @throws HearthError STORE_FAILED; Error: none of them was ordered to run it.
   */
  readCode(sha256Hex: string, instanceIds: readonly InstanceId[]): Promise<Buffer>;
  /** The connection of an instance's agent, unread from its `hello` on and paused. The host that brings it was ordered that instance. */
  onAgent(socket: Socket): void;
  readonly clock: Clock;
  readonly log: Log;
};

/** Where machines join, and the connections of their hosts, agents and code. */
export type RemoteEndpoint = {
  readonly hosts: RemoteHosts;
  /** Call it when every provider owns its hosts and agents can be taken. @throws Error when the address cannot be bound. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends every connection; instances on hosts live on. */
  close(): Promise<void>;
};

const KEY_FILE = "remote-key.json";
const HANDSHAKE_MS_MAX = 10_000;
const FIRST_FRAME_MS_MAX = 5_000;
/**
 * Connections at the same time that have not said what they are, of one host, or of all strangers together; more are cut off at
 * once. Who a host is its key has proved, so strangers do not keep hosts out.
 */
const GREETING_MAX = 256;
/** Of a host that was forgotten, to take its last words. */
const LINGER_MS = 5_000;
const REFUSALS_LOGGED_PER_MINUTE = 30;
/** Of all connections. */
const CONNECTIONS_MAX = 16_384;

/** Makes the server's key if there is none, and loads what joined. Nothing listens yet. @throws HearthError STORE_FAILED. */
export async function openRemoteEndpoint(options: RemoteEndpointOptions): Promise<RemoteEndpoint> {
  const key = await loadOrMakeKey(join(options.dataDir, KEY_FILE), "hearth server").catch((error: Error) => {
    throw new HearthError("STORE_FAILED", error.message, { cause: error });
  });
  const { store, clock, log, heartbeatMs, silenceMs } = options;
  const hosts = await JoinedHosts.load({
    store,
    clock,
    log,
    heartbeatMs,
    silenceMs,
    serverKeySha256: key.pin,
    addresses: () => listener.addresses(),
    onForgotten: (hostId) => listener.cut(hostId),
  });
  const listener = new Listener(options, key, hosts);
  return { hosts, listen: () => listener.listen(), close: () => listener.close() };
}

class Listener {
  readonly #options: RemoteEndpointOptions;
  readonly #hosts: JoinedHosts;
  readonly #server: TlsServer;
  readonly #codeSender: CodeSender;
  /** All connections, with the host that each belongs to; undefined: it has not said. */
  readonly #connections = new Map<TLSSocket, string | undefined>();
  /** Not greeted yet, by host; undefined: strangers. */
  readonly #greeting = new Map<string | undefined, number>();
  #refusals = { minute: 0, count: 0 };
  #port = 0;

  constructor(options: RemoteEndpointOptions, key: PinnedKey, hosts: JoinedHosts) {
    this.#options = options;
    this.#hosts = hosts;
    this.#codeSender = new CodeSender((sha256Hex, hostId) => options.readCode(sha256Hex, hosts.instanceIdsOn(hostId)));
    this.#server = createServer(
      { ...tlsIdentity(key), requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS_MAX },
      (socket) => this.#accept(socket),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("tlsClientError", (error, socket) => {
      options.log.debug({ from: socket.remoteAddress, error }, "a connection to the remote endpoint is no TLS of ours");
      socket.destroy();
    });
  }

  listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port, log } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (error) => log.error({ error }, "a machine could not be accepted"));
        this.#port = (this.#server.address() as { port: number }).port;
        log.info({ host, port: this.#port }, "machines may join");
        resolve({ host, port: this.#port });
      });
    });
  }

  addresses(): readonly string[] {
    const { host, advertisedHost } = this.#options;
    const hosts = advertisedHost === undefined ? reachableAt(host) : [advertisedHost];
    return hosts.map((each) => `${each.includes(":") ? `[${each}]` : each}:${this.#port}`);
  }

  cut(hostId: string): void {
    for (const [socket, owner] of this.#connections) {
      if (owner !== hostId) continue;
      socket.destroySoon();
      setTimeout(() => socket.destroy(), LINGER_MS).unref(); // One that reads nothing would stay.
    }
  }

  async close(): Promise<void> {
    this.#hosts.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections.keys()) socket.destroy();
    if (this.#server.listening) await closed;
  }

  #accept(socket: TLSSocket): void {
    socket.on("error", () => {}); // `close` follows.
    const pin = pinOfPeer(socket);
    if (pin === undefined) return void socket.destroy();
    const hostId = this.#hosts.hostIdOf(pin);
    const greeting = this.#greeting.get(hostId) ?? 0;
    if (greeting >= GREETING_MAX) return void socket.destroy();
    this.#greeting.set(hostId, greeting + 1);
    this.#connections.set(socket, undefined);
    socket.once("close", () => this.#connections.delete(socket));
    keepAwake(socket);
    this.#greet(socket, pin)
      .catch((error: Error) => {
        this.#logRefusal(socket.remoteAddress, error.message);
        socket.destroySoon();
      })
      .finally(() => this.#greeted(hostId));
  }

  #greeted(hostId: string | undefined): void {
    const left = (this.#greeting.get(hostId) ?? 0) - 1;
    if (left > 0) this.#greeting.set(hostId, left);
    else this.#greeting.delete(hostId);
  }

  /** Who keeps knocking must not fill the log. */
  #logRefusal(from: string | undefined, reason: string): void {
    const { clock, log } = this.#options;
    const minute = Math.floor(clock.monotonicMs() / 60_000);
    if (minute !== this.#refusals.minute) this.#refusals = { minute, count: 0 };
    this.#refusals.count++;
    if (this.#refusals.count > REFUSALS_LOGGED_PER_MINUTE) return;
    const isLast = this.#refusals.count === REFUSALS_LOGGED_PER_MINUTE;
    log.warn(
      { from, reason, ...(isLast ? { others: "not told before the next minute" } : {}) },
      "a machine was refused",
    );
  }

  async #greet(socket: TLSSocket, pin: string): Promise<void> {
    const hostId = this.#hosts.hostIdOf(pin);
    // Who has not joined may say one short thing.
    const bytesMax = hostId === undefined ? JOIN_FRAME_BYTES_MAX : FRAME_BYTES_MAX;
    const first = await readFirstFrame(socket, bytesMax, FIRST_FRAME_MS_MAX);
    if (isAgentHello(first.header)) return this.#passAgent(socket, pin, hostId, first);
    const greeting = hostGreetingSchema.parse(first.header);
    socket.unshift(first.bytes.subarray(first.frameBytes));
    try {
      if (greeting.kind !== "fetchCode") {
        this.#connections.set(socket, await this.#hosts.admit(socket, pin, greeting));
      } else if (hostId !== undefined) {
        this.#connections.set(socket, hostId);
        // Not waited for: it is no stranger while it reads.
        const { sha256Hex, mayWait } = greeting;
        this.#codeSender.send(socket, sha256Hex, hostId, mayWait).catch((error: Error) => refuse(socket, error));
      } else throw new HearthError("JOIN_REFUSED", "this machine's key is unknown here");
    } catch (error) {
      refuse(socket, error as Error);
      throw error;
    }
  }

  #passAgent(socket: TLSSocket, pin: string, hostId: string | undefined, { header, bytes }: FirstFrame): void {
    const { instanceId } = header as { instanceId?: unknown };
    if (hostId === undefined || !this.#hosts.isOrderedTo(pin, instanceId as InstanceId))
      throw new Error(`an agent of instance ${String(instanceId)}, which was not ordered from that machine`);
    this.#connections.set(socket, hostId);
    socket.unshift(bytes);
    this.#options.onAgent(socket);
  }
}

function isAgentHello(header: unknown): boolean {
  return (header as { kind?: unknown } | null)?.kind === "hello";
}

/** Says why and ends; what cannot be said is in the log. */
function refuse(socket: Socket, error: Error): void {
  const code = error instanceof HearthError ? error.code : "PROTOCOL_VIOLATION";
  const isFinal = code === "JOIN_REFUSED";
  if (!socket.destroyed) socket.end(encodeFrame({ kind: "refused", code, detail: error.message, isFinal }));
  socket.resume();
}

/** Addresses under which other machines reach what listens on `host`. */
function reachableAt(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [host];
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = addresses.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const [v4, v6] = [
    outside.filter(({ family }) => family === "IPv4"),
    outside.filter(({ family }) => family === "IPv6"),
  ];
  return [...v4, ...(host === "::" ? v6 : [])].map(({ address }) => address);
}
