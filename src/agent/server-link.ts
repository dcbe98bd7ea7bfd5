import { connect, type Socket } from "node:net";
import {
  AGENT_PROTOCOL_VERSION,
  type AgentMessage,
  parseServerMessage,
  type ServerMessage,
} from "../protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { FrameWriter } from "../protocol/frame-writer.ts";
import { type AgentLog, reasonOf } from "./agent-log.ts";

const REDIAL_MS_MIN = 50;
const REDIAL_MS_MAX = 1000;
/** A server that accepts a connection and says nothing for this long is treated as gone. */
const WELCOME_MS_MAX = 5000;
/** Until a server has said its own: how long an agent without a server lives. */
const ORPHAN_MS_INITIAL = 60_000;
/** With more than this unsent, functions that write logs are made to wait. */
const CLOGGED_BYTES = 1024 * 1024;
/** Log text kept while there is no server; what comes beyond is dropped. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
const READ_BUFFER_BYTES = 64 * 1024;

export type Welcome = Extract<ServerMessage, { kind: "welcome" }>;
type Order = Exclude<ServerMessage, { kind: "welcome" }>;

export type ServerLinkEvents = {
  /** What the agent says first on every connection: `hello`, then results that nobody acknowledged. */
  greeting(): Iterable<Buffer>;
  onWelcome(welcome: Welcome): void;
  /** @throws Error when the order breaks the protocol; the connection then ends. */
  onOrder(order: Order, payload: Buffer): void;
  /** The connection ended: what was on its way may not have arrived, and a server that comes has another memory. */
  onLost(): void;
  /** No server was there for too long. */
  onOrphaned(): void;
};

/**
 * The agent's connection to its server. States:
 *
 * - away: not connected. Logs are kept up to a bound, all other messages are dropped: the next
 *   greeting says what is true then. Dials until it succeeds, slower each time. Ends for good when
 *   no server welcomed the agent for `orphanMs`.
 * - open: connected, the greeting is written; messages go out in order, once per turn of the event
 *   loop. The server must say `welcome` in time. Left when the connection ends, the server breaks
 *   the protocol, or the link is closed.
 * - closed: by the agent, for good.
 */
export class ServerLink {
  readonly #socketPath: string;
  readonly #events: ServerLinkEvents;
  readonly #log: AgentLog;
  #socket: Socket | undefined;
  #state: "away" | "open" | "closed" = "away";
  #redialMs = REDIAL_MS_MIN;
  #orphanMs = ORPHAN_MS_INITIAL;
  #orphanTimer: NodeJS.Timeout | undefined;
  #welcomeTimer: NodeJS.Timeout | undefined;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  /** Of the open connection. */
  #writer: FrameWriter | undefined;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  readonly #beforeFlush: (() => void)[] = [];
  #whenDrained: (() => void)[] = [];

  constructor(socketPath: string, events: ServerLinkEvents, log: AgentLog) {
    this.#socketPath = socketPath;
    this.#events = events;
    this.#log = log;
    this.#startOrphanTimer();
    this.#dial();
  }

  /** Sends at the end of this turn; see the states for what happens without a server. */
  send(message: AgentMessage, payload?: Buffer): void {
    if (this.#state === "open") this.sendFrame(encodeFrame(message, payload));
    else if (message.kind === "log") this.#keepLog(encodeFrame(message, payload));
  }

  /** Like `send`, for a frame that is already encoded and need not arrive. */
  sendFrame(frame: Buffer): void {
    if (this.#state === "open") this.#writer?.send(frame);
  }

  /** Calls `callback` once at the end of this turn, in time for what it sends to leave with this turn's frames. */
  beforeFlush(callback: () => void): void {
    this.#beforeFlush.push(callback);
    if (this.#beforeFlush.length === 1) setImmediate(() => this.#flush());
  }

  get isClogged(): boolean {
    return (this.#writer?.unsentBytes ?? 0) > CLOGGED_BYTES;
  }

  /** Calls `callback` once when a clogged link takes more. */
  onceDrained(callback: () => void): void {
    this.#whenDrained.push(callback);
  }

  /** Sends what is pending and ends the connection; resolves when it is gone. */
  async close(): Promise<void> {
    this.#flush();
    const socket = this.#socket;
    this.#state = "closed";
    this.#stopTimers();
    if (socket === undefined || socket.closed) return;
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.end(() => socket.destroy());
    });
  }

  #dial(): void {
    if (this.#state === "closed") return;
    const decoder = new FrameDecoder();
    const socket: Socket = connect({
      path: this.#socketPath,
      // One buffer for all reads: the decoder copies what outlives the call.
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (bytes, buffer) => {
          this.#receive(socket, decoder, (buffer as Buffer).subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on("connect", () => this.#open(socket));
    socket.on("drain", () => this.#drained());
    // What went wrong matters less than that the connection is gone; `close` follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#lost());
  }

  #open(socket: Socket): void {
    this.#state = "open";
    this.#writer = new FrameWriter(socket);
    this.#welcomeTimer = setTimeout(() => this.#cut(socket, "no welcome"), WELCOME_MS_MAX);
    for (const frame of this.#events.greeting()) this.sendFrame(frame);
    for (const frame of this.#backlog) this.sendFrame(frame);
    this.#backlog = [];
    this.#backlogBytes = 0;
  }

  #lost(): void {
    clearTimeout(this.#welcomeTimer);
    clearInterval(this.#heartbeatTimer);
    this.#writer = undefined;
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#log("warn", "connection to the server lost");
    this.#state = "away";
    this.#startOrphanTimer();
    this.#drained();
    this.#events.onLost();
    setTimeout(() => this.#dial(), this.#redialMs);
    this.#redialMs = Math.min(this.#redialMs * 2, REDIAL_MS_MAX);
  }

  #receive(socket: Socket, decoder: FrameDecoder, bytes: Buffer): void {
    if (socket.destroyed) return;
    try {
      decoder.push(bytes, (header, payload) => {
        if (!socket.destroyed) this.#handle(parseServerMessage(header), payload);
      });
    } catch (cause) {
      this.#cut(socket, reasonOf(cause));
    }
  }

  #handle(message: ServerMessage, payload: Buffer): void {
    if (message.kind === "welcome") this.#welcomed(message);
    else this.#events.onOrder(message, payload);
  }

  #welcomed(welcome: Welcome): void {
    if (welcome.protocolVersion !== AGENT_PROTOCOL_VERSION) {
      throw new Error(`protocol version ${welcome.protocolVersion}, not ${AGENT_PROTOCOL_VERSION}`);
    }
    clearTimeout(this.#welcomeTimer);
    clearTimeout(this.#orphanTimer);
    clearInterval(this.#heartbeatTimer);
    this.#orphanTimer = undefined;
    this.#redialMs = REDIAL_MS_MIN;
    this.#orphanMs = welcome.orphanMs;
    this.#heartbeatTimer = setInterval(() => this.send({ kind: "heartbeat" }), welcome.heartbeatMs);
    this.#events.onWelcome(welcome);
  }

  #cut(socket: Socket, reason: string): void {
    this.#log("error", "connection to the server ended", { code: "PROTOCOL_VIOLATION", reason });
    socket.destroy();
  }

  #startOrphanTimer(): void {
    this.#orphanTimer ??= setTimeout(() => this.#events.onOrphaned(), this.#orphanMs);
  }

  #stopTimers(): void {
    clearTimeout(this.#orphanTimer);
    clearTimeout(this.#welcomeTimer);
    clearInterval(this.#heartbeatTimer);
  }

  #keepLog(frame: Buffer): void {
    if (this.#backlogBytes + frame.length > BACKLOG_BYTES_MAX) return;
    this.#backlog.push(frame);
    this.#backlogBytes += frame.length;
  }

  #flush(): void {
    for (const callback of this.#beforeFlush.splice(0)) callback();
    this.#writer?.flush();
    if (!this.isClogged) this.#drained();
  }

  #drained(): void {
    if (this.#whenDrained.length === 0) return;
    const callbacks = this.#whenDrained;
    this.#whenDrained = [];
    for (const callback of callbacks) callback();
  }
}
