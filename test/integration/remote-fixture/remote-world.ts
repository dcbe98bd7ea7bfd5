import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstanceId } from "../../../src/model/ids.ts";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { ProviderWorld } from "../../../src/ports/contract/capacity-provider-contract.ts";
import { AGENT_PROTOCOL_VERSION, type AgentMessage, agentMessageSchema } from "../../../src/protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../../../src/protocol/frame.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../../src/provider/remote/remote-endpoint.ts";
import { createStaticProvider } from "../../../src/provider/static/static-provider.ts";
import { createMemoryStore } from "../../../src/store/memory/memory-store.ts";
import { eventually } from "../server-fixture/eventually.ts";
import { HostProcess } from "./host-process.ts";

type Hello = Extract<AgentMessage, { kind: "hello" }>;

const JOIN_MS_MAX = 60_000;
const SETTINGS = { freezeAfterMs: 50, heartbeatMs: 500, orphanMs: 120_000, blankMemoryMiB: 128 };
const TERMS = {
  provider: "static",
  name: undefined,
  zone: "rack",
  subPool: "fixed",
  priceUsdPerHour: 0.5,
  noticeMs: undefined,
} as const;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** The server's end of instances on another machine: an endpoint, provider `static` and one host agent that joined. */
export class RemoteWorld implements ProviderWorld {
  readonly serverSocketPath = "unused";
  readonly #dataDir = mkdtempSync(join(tmpdir(), "hearth-remote-"));
  readonly #store = createMemoryStore();
  readonly #agents = new Map<InstanceId, { readonly hello: Hello; readonly socket: Socket }>();
  readonly #kind: "process" | "sandbox";
  #endpoint: RemoteEndpoint | undefined;
  #provider: CapacityProvider | undefined;
  #port = 0;
  host: HostProcess | undefined;

  constructor(kind: "process" | "sandbox") {
    this.#kind = kind;
  }

  async open(): Promise<CapacityProvider> {
    const joined = ((await this.#provider?.list()) ?? []).filter((id) => this.isJoined(id));
    await this.#endpoint?.close();
    const endpoint = await openRemoteEndpoint({
      host: "127.0.0.1",
      port: this.#port,
      advertisedHost: undefined,
      dataDir: this.#dataDir,
      store: this.#store.hosts,
      heartbeatMs: 500,
      silenceMs: 5000,
      readCode: () => Promise.reject(new Error("there is no code here")),
      onAgent: (socket) => this.#accept(socket),
      clock: systemClock,
      log: quiet,
    });
    this.#endpoint = endpoint;
    const provider = createStaticProvider(endpoint.hosts);
    this.#provider = provider;
    this.#port = (await endpoint.listen()).port;
    this.host ??= await this.#join(endpoint);
    await this.#until(() => provider.offers().some(({ isAvailable }) => isAvailable), "the host did not connect");
    for (const id of joined) await this.#until(() => this.isJoined(id), `the agent of ${id} did not come back`);
    return provider;
  }

  async #join(endpoint: RemoteEndpoint): Promise<HostProcess> {
    const { token, addresses } = await endpoint.hosts.createToken(TERMS, 60_000);
    return HostProcess.start({ join: addresses[0] ?? "", token, provider: this.#kind, name: "tower" });
  }

  async #until(isSo: () => boolean, orElse: string): Promise<void> {
    const is = await eventually(async () => isSo(), Boolean, JOIN_MS_MAX);
    if (!is) throw new Error(`${orElse}; the host's log:\n${this.host?.log}`);
  }

  async joined(instanceId: InstanceId): Promise<Hello> {
    await this.#until(() => this.isJoined(instanceId), `the agent of ${instanceId} did not join`);
    return this.#agents.get(instanceId)?.hello as Hello;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.get(instanceId)?.socket.closed === false;
  }

  async crash(instanceId: InstanceId): Promise<void> {
    for (const pid of agentsOf(instanceId)) process.kill(pid, "SIGKILL");
  }

  /** Of instances: the host itself goes on. */
  async traces(): Promise<readonly string[]> {
    const ofInstances = ["run/process", "sandbox/instances"]
      .map((path) => join(this.host?.dataDir ?? "", path))
      .flatMap((path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []));
    const agents = [...this.#agents.keys()].flatMap((id) => agentsOf(id).map((pid) => `agent ${pid} of ${id}`));
    const groups = (this.host?.leftovers() ?? []).filter((trace) => trace.includes("/i-"));
    return [...ofInstances, ...agents, ...groups];
  }

  async close(): Promise<void> {
    const status = await this.host?.stop();
    const left = this.host?.leftovers();
    await this.host?.[Symbol.asyncDispose]();
    await this.#endpoint?.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
    if (status !== 0 || left?.length !== 0)
      throw new Error(`the host agent ended with ${status} and left ${left}; its log:\n${this.host?.log}`);
  }

  #accept(socket: Socket): void {
    const decoder = new FrameDecoder();
    socket.on("error", () => {}); // It was killed.
    socket.on("data", (bytes: Buffer) => {
      decoder.push(bytes, (header) => this.#hear(agentMessageSchema.parse(header), socket));
    });
    socket.resume();
  }

  #hear(message: AgentMessage, socket: Socket): void {
    if (message.kind !== "hello") return;
    this.#agents.set(message.instanceId, { hello: message, socket });
    socket.write(encodeFrame({ kind: "welcome", protocolVersion: AGENT_PROTOCOL_VERSION, ...SETTINGS }));
  }
}

/** Processes that were started with the configuration of this instance's agent. */
function agentsOf(instanceId: InstanceId): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`"instanceId":"${instanceId}"`))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return ""; // It is gone, or not ours to see.
  }
}
