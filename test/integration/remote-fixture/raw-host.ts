import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { encodeFrame, FrameDecoder } from "../../../src/protocol/frame.ts";
import { HOST_PROTOCOL_VERSION, type ServerToHost } from "../../../src/protocol/host-protocol.ts";
import { parseJoinToken } from "../../../src/protocol/join-token.ts";
import { loadOrMakeKey, type PinnedKey } from "../../../src/protocol/pinned-key.ts";
import { tlsIdentity } from "../../../src/protocol/pinned-tls.ts";

/** What such a machine says of itself. */
export const DESCRIPTION = {
  name: "raw",
  offered: { memoryMiB: 4096, cpuMilli: 2000 },
  isolation: "none",
  provider: "process",
  runtimes: [],
  version: "1",
} as const;
const ANSWER_MS_MAX = 20_000;

/** A key as a new machine makes it. */
export async function newKey(): Promise<PinnedKey> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-key-"));
  try {
    return await loadOrMakeKey(join(folder, "key.json"), "a machine");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A peer that says what a test wants it to, over TLS with a key of its own. */
export class RawHost {
  readonly socket: TLSSocket;
  readonly heard: { readonly message: ServerToHost; readonly payload: Buffer }[] = [];
  isClosed = false;

  constructor(port: number, key: PinnedKey) {
    this.socket = connect({ host: "127.0.0.1", port, ...tlsIdentity(key), rejectUnauthorized: false });
    const decoder = new FrameDecoder();
    this.socket.on("data", (chunk: Buffer) =>
      decoder.push(chunk, (header, payload) => this.heard.push({ message: header as ServerToHost, payload })),
    );
    this.socket.on("error", () => {}); // It was cut off.
    this.socket.on("close", () => {
      this.isClosed = true;
    });
  }

  send(header: object, payload?: Buffer): this {
    this.socket.write(encodeFrame(header, payload));
    return this;
  }

  join(token: string): this {
    const secret = parseJoinToken(token)?.secret;
    return this.send({
      kind: "join",
      protocolVersion: HOST_PROTOCOL_VERSION,
      secret,
      host: DESCRIPTION,
      instanceIds: [],
    });
  }

  hello(instanceIds: readonly string[] = []): this {
    return this.send({ kind: "hostHello", protocolVersion: HOST_PROTOCOL_VERSION, host: DESCRIPTION, instanceIds });
  }

  /** The first message of this kind, now or later. */
  async next<K extends ServerToHost["kind"]>(kind: K): Promise<Extract<ServerToHost, { kind: K }>> {
    const untilMs = performance.now() + ANSWER_MS_MAX;
    for (;;) {
      const found = this.heard.find(({ message }) => message.kind === kind);
      if (found !== undefined) return found.message as Extract<ServerToHost, { kind: K }>;
      if (this.isClosed || performance.now() > untilMs) throw new Error(`no ${kind}: ${JSON.stringify(this.heard)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, "close", { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  }
}
