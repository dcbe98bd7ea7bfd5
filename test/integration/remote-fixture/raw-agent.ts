import { connect, type TLSSocket } from "node:tls";
import { AGENT_PROTOCOL_VERSION, type ServerMessage } from "../../../src/protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../../../src/protocol/frame.ts";
import type { InstanceOrder } from "../../../src/protocol/host-protocol.ts";
import type { PinnedKey } from "../../../src/protocol/pinned-key.ts";
import { tlsIdentity } from "../../../src/protocol/pinned-tls.ts";

export type Run = Extract<ServerMessage, { kind: "run" }>;

const HEARTBEAT_MS = 500;
const ANSWER_MS_MAX = 40_000;

/** The agent of an instance, as a machine that joined may have made it: it runs nothing and says what a test wants it to. */
export class RawAgent {
  readonly socket: TLSSocket;
  /** What it is asked to run. */
  readonly runs: Run[] = [];
  readonly #heartbeats: NodeJS.Timeout;
  /** Whether it does so when it is told to. */
  endsContainers = true;

  constructor(port: number, key: PinnedKey, order: InstanceOrder) {
    this.socket = connect({ host: "127.0.0.1", port, ...tlsIdentity(key), rejectUnauthorized: false });
    const decoder = new FrameDecoder();
    this.socket.on("data", (chunk: Buffer) => decoder.push(chunk, (header) => this.#hear(header as ServerMessage)));
    this.socket.on("error", () => {}); // It was cut off.
    const hello = { kind: "hello", protocolVersion: AGENT_PROTOCOL_VERSION, containers: [], keptInvocationIds: [] };
    this.send({ ...hello, isolation: "none", ...order });
    this.#heartbeats = setInterval(() => this.send({ kind: "heartbeat" }), HEARTBEAT_MS);
    this.socket.on("close", () => clearInterval(this.#heartbeats));
  }

  send(header: object, payload?: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(encodeFrame(header, payload));
  }

  /** @param claims instead of what is true. */
  finish({ containerId, leaseId, invocationId }: Run, claims: Partial<Record<string, unknown>> = {}): void {
    const header = { kind: "finished", containerId, leaseId, invocationId, outcome: "ok", containerUsable: true };
    const text = JSON.stringify({ ...header, wallUs: 1000, ...claims });
    // What JSON can say and `JSON.stringify` cannot.
    this.#write(text.replaceAll('"1e999"', "1e999"), Buffer.from('"done"'));
  }

  async closed(): Promise<void> {
    if (this.socket.closed) return;
    await new Promise<void>((resolve, reject) => {
      this.socket.once("close", () => resolve());
      setTimeout(() => reject(new Error("its connection was not ended")), ANSWER_MS_MAX).unref();
    });
  }

  #write(header: string, payload: Buffer): void {
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(4 + Buffer.byteLength(header) + payload.length, 0);
    lengths.writeUInt32LE(Buffer.byteLength(header), 4);
    this.socket.write(Buffer.concat([lengths, Buffer.from(header), payload]));
  }

  #hear(message: ServerMessage): void {
    if (message.kind === "createContainer") {
      this.send({ kind: "containerReady", containerId: message.containerId, startMs: 1 });
    } else if (message.kind === "destroyContainer") {
      const { containerId } = message;
      if (this.endsContainers) this.send({ kind: "containerGone", containerId, reason: "destroyed" });
    } else if (message.kind === "run") this.runs.push(message);
  }
}
