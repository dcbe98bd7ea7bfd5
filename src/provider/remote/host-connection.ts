import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { encodeFrame, FrameDecoder } from "../../protocol/frame.ts";
import { FrameWriter } from "../../protocol/frame-writer.ts";
import {
  type HostToServer,
  hostToServerSchema,
  type InstanceOrder,
  type ServerToHost,
} from "../../protocol/host-protocol.ts";

/** A control link carries orders and heartbeats, no payloads. */
const FRAME_BYTES_MAX = 64 * 1024;
/** Orders that wait for their answer, on one host. */
const ORDERS_MAX = 1024;
/** What one host may say between two of our heartbeats: answers to all orders, and the end of all that it may have. */
const HEARD_PER_BEAT_MAX = 8192;
/** Of what it wants an operator to read, likewise; the rest is dropped. */
const TROUBLES_PER_BEAT_MAX = 5;
/** A host that says that it lives and reads nothing counts as gone. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;

type Told = Exclude<HostToServer, { kind: "done" }>;

export type HostConnectionOptions = {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** A host that is silent for longer counts as gone. */
  readonly silenceMs: number;
  onTold(told: Told): void;
  /** Once. What was ordered and not answered has failed by then. */
  onEnd(reason: string): void;
};

type Waiting = {
  readonly resolve: () => void;
  readonly reject: (error: HearthError) => void;
  readonly timer: NodeJS.Timeout;
};

/** The control link to one host: orders and their answers, and what the host tells. */
export class HostConnection {
  readonly #options: HostConnectionOptions;
  readonly #writer: FrameWriter;
  readonly #orders = new Map<string, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #heardMs: number;
  #checkedMs: number;
  #endReason: string | undefined;
  #heardThisBeat = { all: 0, troubles: 0 };

  /** The socket is paused; nothing is heard before `open`. */
  constructor(options: HostConnectionOptions) {
    this.#options = options;
    this.#writer = new FrameWriter(options.socket);
    this.#heardMs = options.clock.monotonicMs();
    this.#checkedMs = this.#heardMs;
    this.#timer = setInterval(() => this.#beat(), options.heartbeatMs);
  }

  get isOpen(): boolean {
    return this.#endReason === undefined;
  }

  /** Says welcome and begins to listen. */
  open(welcome: Extract<ServerToHost, { kind: "welcome" }>): void {
    const { socket } = this.#options;
    const decoder = new FrameDecoder(FRAME_BYTES_MAX);
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.push(chunk, (header) => this.#hear(hostToServerSchema.parse(header)));
      } catch (error) {
        this.end(`it broke the protocol: ${(error as Error).message}`);
      }
    });
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", () => this.end("the connection was closed"));
    if (socket.destroyed) return void queueMicrotask(() => this.end("the connection was closed"));
    this.#send(welcome);
    socket.resume();
  }

  /** @throws HearthError LAUNCH_FAILED or INSUFFICIENT_CAPACITY. */
  launch(order: InstanceOrder, timeoutMs: number): Promise<void> {
    return this.#order({ kind: "launch", orderId: randomUUID(), order }, timeoutMs);
  }

  /** @throws HearthError LAUNCH_FAILED with what keeps it from ending, or with the link's end. */
  terminate(instanceId: InstanceId, timeoutMs: number): Promise<void> {
    return this.#order({ kind: "terminate", orderId: randomUUID(), instanceId }, timeoutMs);
  }

  /** Says why, if that is wanted, and ends the link. Idempotent. */
  end(reason: string, last?: Extract<ServerToHost, { kind: "refused" }>): void {
    if (this.#endReason !== undefined) return;
    if (last === undefined) this.#options.socket.destroy();
    else {
      this.#send(last);
      this.#writer.flush();
      this.#options.socket.destroySoon();
    }
    this.#endReason = reason;
    clearInterval(this.#timer);
    for (const [orderId] of [...this.#orders]) this.#settle(orderId, new HearthError("LAUNCH_FAILED", reason));
    this.#options.onEnd(reason);
  }

  #order(order: Extract<ServerToHost, { kind: "launch" | "terminate" }>, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#endReason !== undefined) return reject(new HearthError("LAUNCH_FAILED", this.#endReason));
      if (this.#orders.size >= ORDERS_MAX)
        return reject(new HearthError("LAUNCH_FAILED", "its host answers no orders"));
      const late = () => this.#settle(order.orderId, new HearthError("LAUNCH_FAILED", `no answer in ${timeoutMs} ms`));
      this.#orders.set(order.orderId, { resolve, reject, timer: setTimeout(late, timeoutMs) });
      this.#send(order);
    });
  }

  #settle(orderId: string, error: HearthError | undefined): void {
    const waiting = this.#orders.get(orderId);
    if (waiting === undefined) return; // It came too late.
    this.#orders.delete(orderId);
    clearTimeout(waiting.timer);
    if (error === undefined) waiting.resolve();
    else waiting.reject(error);
  }

  #hear(told: HostToServer): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    if (this.#endReason !== undefined) return;
    const counts = this.#heardThisBeat;
    if (++counts.all > HEARD_PER_BEAT_MAX) return this.end("it says more than a host has to say");
    if (told.kind === "trouble" && ++counts.troubles > TROUBLES_PER_BEAT_MAX) return;
    if (told.kind !== "done") return this.#options.onTold(told);
    const { orderId, failure } = told;
    this.#settle(orderId, failure && new HearthError(failure.code, failure.detail));
  }

  #beat(): void {
    const { clock, silenceMs } = this.#options;
    const nowMs = clock.monotonicMs();
    // This process stood still: the host's heartbeats wait in the socket, unread.
    if (nowMs - this.#checkedMs > silenceMs / 2) this.#heardMs = nowMs;
    this.#checkedMs = nowMs;
    this.#heardThisBeat = { all: 0, troubles: 0 };
    if (this.#writer.unsentBytes > UNSENT_BYTES_MAX) this.end("it does not read what is sent to it");
    else if (nowMs - this.#heardMs > silenceMs) this.end(`it was silent for ${silenceMs} ms`);
    else this.#send({ kind: "heartbeat" });
  }

  #send(message: ServerToHost): void {
    if (!this.#options.socket.destroyed) this.#writer.send(encodeFrame(message));
  }
}
