import { timingSafeEqual } from "node:crypto";
import { rm } from "node:fs/promises";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { AccountId, InstanceId, InvocationId } from "../model/ids.ts";
import type { InstanceReport } from "../model/instance.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import {
  AGENT_PROTOCOL_VERSION,
  type AgentMessage,
  parseAgentMessage,
  type ServerMessage,
} from "../protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { FrameWriter } from "../protocol/frame-writer.ts";

export type AgentEndpointOptions = {
  readonly socketPath: string;
  /** What every agent is told when it joins. */
  readonly welcome: Omit<
    Extract<ServerMessage, { kind: "welcome" }>,
    "kind" | "protocolVersion" | "pressureAtMiB" | "pressureClearMiB"
  >;
  /** Of an instance's memory: the use at which its agent tells of pressure, and the one at which that is over. */
  readonly pressureShares: { readonly at: number; readonly clear: number };
  /** An agent that is silent for longer counts as lost. */
  readonly silenceMsMax: number;
  /** The secret that the agent of this instance must show. */
  tokenOf(instanceId: InstanceId): string;
  /** False for instances that are told to end: their agents are cut off. */
  mayJoin(instanceId: InstanceId): boolean;
  /** @param keptInvocationIds invocations whose results follow: they ended while no server listened. */
  onJoin(report: InstanceReport, keptInvocationIds: readonly InvocationId[]): void;
  onMessage(instanceId: InstanceId, message: AgentMessage, payload: Buffer): void;
  onLost(instanceId: InstanceId, reason: string): void;
  readonly clock: Clock;
  readonly log: Log;
};

/** A connection that has not said who it is by then is cut. */
const HELLO_MS_MAX = 5_000;
/** What an agent that is told to end has for it: Lambda's shutdown phase of 2 s and a little more. */
const GOODBYE_MS_MAX = 2_500;
/** An agent that reads so slowly that this much waits to be sent to it counts as lost. */
const UNSENT_BYTES_MAX = 256 * 1024 * 1024;

type Hello = Extract<AgentMessage, { kind: "hello" }>;

/** One joined agent. */
class AgentConnection {
  readonly instanceId: InstanceId;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  heardMs: number;
  /** It was told to end. */
  isDismissed = false;
  /** It tells when a cold run's init is over. */
  readonly tellsBegun: boolean;

  constructor({ instanceId, tellsBegun = false }: Hello, socket: Socket, heardMs: number) {
    this.instanceId = instanceId;
    this.tellsBegun = tellsBegun;
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
    this.heardMs = heardMs;
  }

  send(message: ServerMessage, payload?: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#writer.send(encodeFrame(message, payload));
    if (this.#writer.unsentBytes > UNSENT_BYTES_MAX) this.#socket.destroy();
  }

  /** Tells it to end. Resolves when it has hung up, or is given up. */
  sayGoodbye(reason: string): Promise<void> {
    this.isDismissed = true;
    this.send({ kind: "exit", reason });
    this.#writer.flush();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#socket.destroy(), GOODBYE_MS_MAX);
    this.#socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    if (this.#socket.closed) resolve();
    return promise;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** Where agents dial in. It knows who is there and passes messages on; what they mean is the server's. */
export class AgentEndpoint {
  readonly #options: AgentEndpointOptions;
  readonly #listener: NetServer;
  readonly #connections = new Map<InstanceId, AgentConnection>();
  #silenceCheck: NodeJS.Timeout | undefined;
  #checkedMs = 0;

  constructor(options: AgentEndpointOptions) {
    this.#options = options;
    this.#listener = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    const { socketPath, silenceMsMax } = this.#options;
    // A server that was killed leaves it behind. Nobody listens there: the data directory is locked by us.
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", reject);
      this.#listener.listen(socketPath, () => {
        this.#listener.off("error", reject);
        resolve();
      });
    });
    this.#listener.on("error", (error) => this.#options.log.error({ error }, "an agent could not be accepted"));
    this.#checkedMs = this.#options.clock.monotonicMs();
    this.#silenceCheck = setInterval(() => this.#cutSilent(), Math.ceil(silenceMsMax / 4));
  }

  /** Takes the connection of an agent that dialled another listener; its `hello` is unread, and it may be paused. */
  accept(socket: Socket): void {
    this.#accept(socket);
    socket.resume(); // Whoever read its first frame has paused it; a listener alone does not undo that.
  }

  /** @returns false when no agent of that instance is joined. */
  send(instanceId: InstanceId, message: ServerMessage, payload?: Buffer): boolean {
    const connection = this.#connections.get(instanceId);
    connection?.send(message, payload);
    return connection !== undefined;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#connections.has(instanceId);
  }

  /** Whether its agent can; one of an older version cannot. */
  tellsBegun(instanceId: InstanceId): boolean {
    return this.#connections.get(instanceId)?.tellsBegun === true;
  }

  joined(): readonly InstanceId[] {
    return [...this.#connections.keys()];
  }

  /**
   * Asks an agent to end its instance and forgets it, so that its end is no loss. Resolves when its containers have had
   * their shutdown phase, or the time for that is over; at once when it is not joined.
   */
  async dismiss(instanceId: InstanceId, reason: string): Promise<void> {
    const connection = this.#connections.get(instanceId);
    if (connection === undefined) return;
    this.#connections.delete(instanceId);
    await connection.sayGoodbye(reason);
  }

  close(): void {
    clearInterval(this.#silenceCheck);
    this.#listener.close();
    for (const connection of this.#connections.values()) connection.destroy();
    this.#connections.clear();
  }

  #accept(socket: Socket): void {
    const decoder = new FrameDecoder();
    let connection: AgentConnection | undefined;
    let reason = "its agent closed the connection";
    const helloTimer = setTimeout(() => socket.destroy(), HELLO_MS_MAX);
    socket.on("data", (chunk: Buffer) => {
      const messages: [AgentMessage, Buffer][] = [];
      try {
        decoder.push(chunk, (header, payload) => messages.push([parseAgentMessage(header), payload]));
        if (connection === undefined) connection = this.#greet(socket, messages.shift()?.[0]);
      } catch (error) {
        reason = `its agent broke the protocol: ${error instanceof Error ? error.message : error}`;
        this.#options.log.error({ instanceId: connection?.instanceId, error }, "agent cut off: PROTOCOL_VIOLATION");
        socket.destroy();
        return;
      }
      if (connection === undefined) return;
      clearTimeout(helloTimer);
      // Outside the try: what fails in here is a fault of ours, not of the agent.
      for (const [message, payload] of messages) this.#hear(connection, message, payload);
    });
    socket.on("error", (error) => {
      reason = `the connection to its agent failed: ${error.message}`;
    });
    socket.on("close", () => {
      clearTimeout(helloTimer);
      if (connection !== undefined) this.#forget(connection, reason);
    });
  }

  #hear(connection: AgentConnection, message: AgentMessage, payload: Buffer): void {
    if (connection.isDismissed) {
      // What its containers write in their shutdown phase is still somebody's log; all else is over.
      if (message.kind === "log") this.#options.onMessage(connection.instanceId, message, payload);
      return;
    }
    if (this.#connections.get(connection.instanceId) !== connection) return; // It was cut off.
    connection.heardMs = this.#options.clock.monotonicMs();
    if (message.kind !== "heartbeat") this.#options.onMessage(connection.instanceId, message, payload);
  }

  /** @returns undefined when the first message is not whole yet. @throws Error when it is not an agent's that may join. */
  #greet(socket: Socket, message: AgentMessage | undefined): AgentConnection | undefined {
    if (message === undefined) return undefined;
    if (message.kind !== "hello") throw new Error(`${message.kind} before hello`);
    const { instanceId, token, protocolVersion } = message;
    if (protocolVersion !== AGENT_PROTOCOL_VERSION) {
      throw new Error(`the agent speaks protocol version ${protocolVersion}, the server ${AGENT_PROTOCOL_VERSION}`);
    }
    if (!isSame(token, this.#options.tokenOf(instanceId))) throw new Error("wrong token");
    if (!this.#options.mayJoin(instanceId)) throw new Error("the instance is told to end");
    if (this.#connections.has(instanceId)) throw new Error("an agent of this instance is already joined");
    const connection = new AgentConnection(message, socket, this.#options.clock.monotonicMs());
    this.#connections.set(instanceId, connection);
    const { subPool, offerId, shape, containers } = message;
    const { welcome, pressureShares } = this.#options;
    connection.send({
      kind: "welcome",
      protocolVersion: AGENT_PROTOCOL_VERSION,
      ...welcome,
      pressureAtMiB: Math.round(shape.memoryMiB * pressureShares.at),
      pressureClearMiB: Math.round(shape.memoryMiB * pressureShares.clear),
    });
    const accountId = message.accountId as AccountId | undefined;
    this.#options.onJoin({ instanceId, subPool, offerId, shape, accountId, containers }, message.keptInvocationIds);
    return connection;
  }

  #forget(connection: AgentConnection, reason: string): void {
    if (this.#connections.get(connection.instanceId) !== connection) return;
    this.#connections.delete(connection.instanceId);
    this.#options.onLost(connection.instanceId, reason);
  }

  #cutSilent(): void {
    const { clock, silenceMsMax } = this.#options;
    const nowMs = clock.monotonicMs();
    const wasPaused = nowMs - this.#checkedMs > silenceMsMax / 2;
    this.#checkedMs = nowMs;
    // This process stood still (a paused machine, a debugger): the heartbeats wait in the sockets, unread.
    if (wasPaused) for (const connection of this.#connections.values()) connection.heardMs = nowMs;
    const beforeMs = nowMs - silenceMsMax;
    for (const connection of [...this.#connections.values()]) {
      if (connection.heardMs >= beforeMs) continue;
      connection.destroy();
      this.#forget(connection, `its agent was silent for ${silenceMsMax} ms`);
    }
  }
}

function isSame(a: string, b: string): boolean {
  const bytesA = Buffer.from(a);
  const bytesB = Buffer.from(b);
  return bytesA.length === bytesB.length && timingSafeEqual(bytesA, bytesB);
}
