import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { AgentRelay } from "./agent-relay.ts";

const HASH = "ab".repeat(32);
const OTHER_HASH = "cd".repeat(32);
const MEBIBYTE = 1024 * 1024;

type Frame = { readonly header: Record<string, unknown>; readonly payload: Buffer };

/** One end of a connection, and what it heard. */
class End {
  readonly socket: Socket;
  readonly frames: Frame[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    const decoder = new FrameDecoder();
    socket.on("data", (chunk: Buffer) =>
      decoder.push(chunk, (header, payload) => this.frames.push({ header: header as Frame["header"], payload })),
    );
    socket.on("error", () => {});
    socket.resume();
  }

  send(header: object, payload?: Buffer): void {
    this.socket.write(encodeFrame(header, payload));
  }

  /** Waits until so many frames were heard. */
  async heard(count: number): Promise<readonly string[]> {
    await expect.poll(() => this.frames.length, { timeout: 8000 }).toBeGreaterThanOrEqual(count);
    return this.frames.map(({ header }) => `${header["kind"]} ${header["containerId"] ?? ""}`.trim());
  }
}

let dir: string;
let server: Server;
let relay: AgentRelay;
let agent: End;
/** The server's end of the agent's connection. */
let far: End;
/** Code that is on its way, by hash. */
let coming: Map<string, PromiseWithResolvers<string>>;
const here = new Map<string, string>();

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-relay-"));
  coming = new Map();
  here.clear();
  server = createServer({ pauseOnConnect: true }).listen(join(dir, "server.sock"));
  await once(server, "listening");
  relay = new AgentRelay({
    socketPath: join(dir, "agents.sock"),
    dial: async () => {
      const socket = connect(join(dir, "server.sock"));
      await once(socket, "connect");
      socket.pause();
      return socket;
    },
    code: {
      find: (hash) => here.get(hash),
      ensure: (hash) => awaited(hash),
      findLayers: (hashes) => here.get(hashes.join("+")),
      ensureLayers: (hashes) => awaited(hashes.join("+")),
    },
    log: { warn() {}, debug() {} },
  });
  await relay.listen();
  const accepted = once(server, "connection");
  agent = new End(connect(join(dir, "agents.sock")));
  agent.send({ kind: "hello", instanceId: "i-1" });
  far = new End((await accepted)[0] as Socket);
  expect(await far.heard(1)).toEqual(["hello"]);
});
afterEach(() => {
  relay.close();
  agent.socket.destroy();
  far.socket.destroy();
  server.close();
  rmSync(dir, { recursive: true });
});

function awaited(name: string): Promise<string> {
  const code = coming.get(name) ?? Promise.withResolvers<string>();
  coming.set(name, code);
  return code.promise;
}

function coldRun(containerId: string, codeSha256Hex = HASH): object {
  const lease = { leaseId: `l-${containerId}`, invocationId: `n-${containerId}` };
  return { kind: "run", containerId, ...lease, assignment: { codeSha256Hex, codeDir: "/on/the/server" } };
}

test("what is not about code passes both ways as it is", async () => {
  const payload = Buffer.alloc(5 * MEBIBYTE, "x");
  far.send({ kind: "run", containerId: "c-1", leaseId: "l" }, payload);
  far.send({ kind: "ack", leaseId: "l" });
  expect(await agent.heard(2)).toEqual(["run c-1", "ack"]);
  expect(agent.frames[0]?.payload.equals(payload)).toBe(true);
  agent.send({ kind: "finished", containerId: "c-1" }, payload);
  expect(await far.heard(2)).toEqual(["hello", "finished c-1"]);
  expect(far.frames[1]?.payload.equals(payload)).toBe(true);
});

test("an order that brings code waits for it, those for its container behind it, and others pass", async () => {
  far.send(coldRun("c-1"), Buffer.from("event"));
  far.send({ kind: "run", containerId: "c-1", leaseId: "l-2" });
  far.send({ kind: "run", containerId: "c-2", leaseId: "l-3" });
  expect(await agent.heard(1)).toEqual(["run c-2"]);
  coming.get(HASH)?.resolve("/on/this/host");
  expect(await agent.heard(3)).toEqual(["run c-2", "run c-1", "run c-1"]);
  const [, first, second] = agent.frames;
  expect(first?.header).toMatchObject({
    leaseId: "l-c-1",
    assignment: { codeDir: "/on/this/host", codeSha256Hex: HASH },
  });
  expect(first?.payload.toString()).toBe("event");
  expect(second?.header).toMatchObject({ leaseId: "l-2" });
});

test("code that is here does not make an order wait, and a prewarm is one too", async () => {
  here.set(HASH, "/on/this/host");
  far.send({ ...coldRun("c-1"), kind: "prewarm" });
  far.send({ kind: "run", containerId: "c-1", leaseId: "l-2" });
  expect(await agent.heard(2)).toEqual(["prewarm c-1", "run c-1"]);
  expect(agent.frames[0]?.header).toMatchObject({ assignment: { codeDir: "/on/this/host" } });
});

test("an order waits for its code and its layers, and is told where both are", async () => {
  const order = coldRun("c-1") as { assignment: object };
  const layers = { dir: "/on/the/server", sha256Hexes: [OTHER_HASH, HASH] };
  far.send({ ...order, assignment: { ...order.assignment, layers } });
  await expect.poll(() => coming.size).toBe(2);
  coming.get(HASH)?.resolve("/code/here");
  far.send({ kind: "run", containerId: "c-2", leaseId: "l-3" });
  expect(await agent.heard(1)).toEqual(["run c-2"]);
  coming.get(`${OTHER_HASH}+${HASH}`)?.resolve("/layers/here");
  expect(await agent.heard(2)).toEqual(["run c-2", "run c-1"]);
  expect(agent.frames[1]?.header).toMatchObject({
    assignment: { codeDir: "/code/here", layers: { dir: "/layers/here", sha256Hexes: [OTHER_HASH, HASH] } },
  });
});

test("code that cannot be had is the end of its container, and its executions are answered: they never began", async () => {
  far.send(coldRun("c-1"));
  far.send({ kind: "run", containerId: "c-1", leaseId: "l-2", invocationId: "n-2" });
  far.send(coldRun("c-2", OTHER_HASH));
  await expect.poll(() => coming.size).toBe(2);
  coming.get(HASH)?.reject(new Error("the disk is full"));
  expect(await agent.heard(1)).toEqual(["destroyContainer c-1"]);
  expect(await far.heard(3)).toEqual(["hello", "finished c-1", "finished c-1"]);
  expect(far.frames[1]?.header).toMatchObject({ leaseId: "l-c-1", outcome: "agentFault", containerUsable: false });
  expect(far.frames[2]?.header).toMatchObject({ leaseId: "l-2", invocationId: "n-2" });
  coming.get(OTHER_HASH)?.resolve("/on/this/host");
  expect(await agent.heard(2)).toEqual(["destroyContainer c-1", "run c-2"]);
});

test("a hash that is none, and so no path, is not asked for", async () => {
  far.send(coldRun("c-1", "../../etc"));
  expect(await agent.heard(1)).toEqual(["run c-1"]);
  expect(agent.frames[0]?.header).toMatchObject({ assignment: { codeDir: "/on/the/server" } });
  expect(coming.size).toBe(0);
});

test("an agent that does not read holds up its server, and nobody's memory fills", async () => {
  agent.socket.pause();
  const payload = Buffer.alloc(MEBIBYTE, "x");
  for (let sent = 0; sent < 64; sent++) far.send({ kind: "run", containerId: "c-1" }, payload);
  await expect.poll(() => far.socket.writableLength).toBeGreaterThan(32 * MEBIBYTE);
  agent.socket.resume();
  expect((await agent.heard(64)).length).toBe(64);
});

test("what an end wrote before it ended arrives at the other", async () => {
  far.send({ kind: "exit", reason: "bye" });
  far.socket.end();
  expect(await agent.heard(1)).toEqual(["exit"]);
  await expect.poll(() => agent.socket.closed).toBe(true);
});

test("an agent that says no hello is cut off, and so is who sends no frames", async () => {
  const rude = new End(connect(join(dir, "agents.sock")));
  rude.send({ kind: "heartbeat" });
  await expect.poll(() => rude.socket.closed).toBe(true);
  far.socket.write(Buffer.alloc(64, 0xff));
  await expect.poll(() => agent.socket.closed).toBe(true);
});

test("pieces of a streamed response pass as fast as the server takes them, and credit passes back", async () => {
  far.socket.pause();
  const piece = Buffer.alloc(64 * 1024, "x");
  const count = 256;
  for (let at = 0; at < count; at++)
    agent.send({ kind: "chunk", containerId: "c-1", leaseId: "l", invocationId: "i" }, piece);
  // What the kernel does not take stays with the agent: the relay holds none of it.
  await expect.poll(() => agent.socket.bytesWritten, { timeout: 5000 }).toBeGreaterThan(0);
  expect(agent.socket.writableLength).toBeGreaterThan((count * piece.length) / 2);
  far.send({ kind: "credit", containerId: "c-1", leaseId: "l", bytes: 65_536 });
  expect((await agent.heard(1)).at(-1)).toBe("credit c-1");
  far.socket.resume();
  await expect
    .poll(() => far.frames.filter(({ header }) => header["kind"] === "chunk").length, { timeout: 8000 })
    .toBe(count);
});
