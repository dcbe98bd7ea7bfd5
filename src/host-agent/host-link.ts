import type { Socket } from "node:net";
import type { InstanceId } from "../model/ids.ts";
import type { Log } from "../ports/log.ts";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { FrameWriter } from "../protocol/frame-writer.ts";
import {
  HOST_PROTOCOL_VERSION,
  type HostDescription,
  type HostGreeting,
  type HostLoad,
  type HostToServer,
  type ServerToHost,
  serverToHostSchema,
} from "../protocol/host-protocol.ts";
import { WrongServerKeyError } from "../protocol/pinned-tls.ts";

type Welcome = Extract<ServerToHost, { kind: "welcome" }>;
type Refusal = Extract<ServerToHost, { kind: "refused" }>;
/** What the server orders once it has said welcome. */
export type HostOrder = Extract<ServerToHost, { kind: "launch" | "terminate" }>;

export type HostLinkOptions = {
  /** @throws Error when there is no connection to be had. */
  dial(): Promise<Socket>;
  /** What the machine joins with; undefined: it has joined, and its key says who it is. */
  secret(): string | undefined;
  readonly host: HostDescription;
  instanceIds(): Promise<readonly InstanceId[]>;
  load(): HostLoad;
  /** Awaited before orders are heard. @throws Error: the link ends and is tried again. */
  onWelcome(welcome: Welcome): Promise<void>;
  onOrder(order: HostOrder): void;
  /** The connection ended, or could not be made. */
  onAway(reason: string): void;
  /** @returns whether to try again, with what `secret` says then. */
  onRefused(refusal: Refusal): boolean;
  readonly log: Log;
};

const REDIAL_MS_MIN = 50;
/** Short enough for a server that was started again to find its instances in time. */
const REDIAL_MS_MAX = 1_000;
/** After it was told no, or the wrong server answered. */
const REDIAL_MS_REFUSED = 10_000;
const WELCOME_MS_MAX = 15_000;
const FRAME_BYTES_MAX = 64 * 1024;

/**
 * The host agent's control link to the server. States:
 *
 * - away: no connection. Dials, slower each time up to a second.
 * - greeting: connected and greeted; the server must welcome or refuse in time.
 * - open: welcomed. Orders are heard, heartbeats go both ways; left when the connection ends or the server is silent.
 * - closed: for good, by `close` or a refusal that nothing can mend.
 */
export class HostLink {
  readonly #options: HostLinkOptions;
  #state: "away" | "greeting" | "open" | "closed" = "away";
  #socket: Socket | undefined;
  #writer: FrameWriter | undefined;
  #redialMs = REDIAL_MS_MIN;
  #redialTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heardMs = 0;
  #checkedMs = 0;
  #lastReason = "";

  constructor(options: HostLinkOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Begins to dial. Call it once. */
  start(): void {
    void this.#dial();
  }

  /** @returns false when there is no server to hear it: it is lost. */
  tell(message: HostToServer): boolean {
    if (this.#state !== "open") return false;
    this.#writer?.send(encodeFrame(message));
    return true;
  }

  /** Sends what is pending and ends the link for good. */
  async close(): Promise<void> {
    this.#state = "closed";
    clearTimeout(this.#redialTimer);
    clearInterval(this.#timer);
    this.#writer?.flush();
    const socket = this.#socket;
    if (socket === undefined || socket.closed) return;
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      socket.destroySoon();
    });
  }

  async #dial(): Promise<void> {
    if (this.#state === "closed") return;
    try {
      const { dial, instanceIds } = this.#options;
      const socket = await dial();
      if (this.#isClosed()) return void socket.destroy();
      this.#socket = socket;
      this.#listen(socket);
      const greeting = this.#greeting(await instanceIds());
      if (socket.destroyed) return;
      this.#writer = new FrameWriter(socket);
      this.#state = "greeting";
      this.#timer = setTimeout(() => this.#end(socket, "the server does not answer"), WELCOME_MS_MAX);
      this.#writer.send(encodeFrame(greeting));
    } catch (error) {
      const reason = `no connection: ${(error as Error).message}`;
      if (error instanceof WrongServerKeyError) return this.#metStranger(error.message);
      if (this.#socket === undefined) this.#lost(reason);
      else this.#end(this.#socket, reason);
    }
  }

  /** A machine that has not joined yet was given the token of another server, or somebody stands in between. */
  #metStranger(detail: string): void {
    const isFinal = this.#options.secret() !== undefined;
    this.#redialMs = REDIAL_MS_REFUSED;
    if (!this.#options.onRefused({ kind: "refused", code: "WRONG_SERVER_KEY", detail, isFinal }))
      this.#state = "closed";
    this.#lost(detail);
  }

  #greeting(instanceIds: readonly InstanceId[]): HostGreeting {
    const { host } = this.#options;
    const secret = this.#options.secret();
    const said = { protocolVersion: HOST_PROTOCOL_VERSION, host, instanceIds: [...instanceIds] };
    return secret === undefined ? { kind: "hostHello", ...said } : { kind: "join", secret, ...said };
  }

  #listen(socket: Socket): void {
    const decoder = new FrameDecoder(FRAME_BYTES_MAX);
    /** Messages are handled one after the other, though the first takes a while. */
    let last: Promise<void> = Promise.resolve();
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.push(chunk, (header) => {
          const message = serverToHostSchema.parse(header);
          this.#heardMs = performance.now();
          if (message.kind === "heartbeat") return;
          last = last.then(() => this.#hear(socket, message)).catch((error: Error) => this.#end(socket, error.message));
        });
      } catch (error) {
        this.#end(socket, `the server broke the protocol: ${(error as Error).message}`);
      }
    });
    socket.on("close", () => this.#end(socket, "the connection was closed"));
    socket.resume();
  }

  async #hear(socket: Socket, message: Exclude<ServerToHost, { kind: "heartbeat" }>): Promise<void> {
    if (this.#socket !== socket || this.#isClosed()) return;
    switch (message.kind) {
      case "welcome":
        return this.#welcomed(socket, message);
      case "refused":
        return this.#refused(socket, message);
      case "launch":
      case "terminate":
        if (this.#state === "open") this.#options.onOrder(message);
        return;
      case "codePart":
        throw new Error("code on the control link");
      default:
        message satisfies never;
    }
  }

  async #welcomed(socket: Socket, welcome: Welcome): Promise<void> {
    if (welcome.protocolVersion !== HOST_PROTOCOL_VERSION)
      throw new Error(`the server speaks protocol version ${welcome.protocolVersion}, not ${HOST_PROTOCOL_VERSION}`);
    clearTimeout(this.#timer);
    await this.#options.onWelcome(welcome);
    if (this.#socket !== socket || this.#isClosed()) return;
    this.#state = "open";
    this.#redialMs = REDIAL_MS_MIN;
    this.#lastReason = "";
    this.#heardMs = performance.now();
    this.#checkedMs = this.#heardMs;
    this.#timer = setInterval(() => this.#beat(socket, welcome.silenceMs), welcome.heartbeatMs);
    this.#beat(socket, welcome.silenceMs);
  }

  #refused(socket: Socket, refusal: Refusal): void {
    this.#redialMs = REDIAL_MS_REFUSED;
    const tryAgain = this.#options.onRefused(refusal);
    if (!tryAgain) this.#state = "closed";
    this.#end(socket, `refused: ${refusal.detail}`);
  }

  #beat(socket: Socket, silenceMs: number): void {
    const nowMs = performance.now();
    // This process stood still: the server's heartbeats wait in the socket, unread.
    if (nowMs - this.#checkedMs > silenceMs / 2) this.#heardMs = nowMs;
    this.#checkedMs = nowMs;
    if (nowMs - this.#heardMs > silenceMs) this.#end(socket, `the server was silent for ${silenceMs} ms`);
    else this.tell({ kind: "heartbeat", load: this.#options.load() });
  }

  #end(socket: Socket, reason: string): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#writer = undefined;
    clearInterval(this.#timer);
    socket.destroy();
    this.#lost(reason);
  }

  #lost(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "away";
    if (reason !== this.#lastReason) this.#options.log.warn({ reason }, "no link to the server");
    this.#lastReason = reason;
    this.#options.onAway(reason);
    this.#redialTimer = setTimeout(() => void this.#dial(), this.#redialMs);
    this.#redialMs = Math.min(this.#redialMs * 2, Math.max(REDIAL_MS_MAX, this.#redialMs));
  }

  /** Asked after every wait: the compiler believes that states do not change meanwhile. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }
}
