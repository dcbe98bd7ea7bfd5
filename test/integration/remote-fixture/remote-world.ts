import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstanceId } from "../../../src/model/ids.ts";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { ProviderWorld } from "../../../src/ports/contract/capacity-provider-contract.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../../src/provider/remote/remote-endpoint.ts";
import { createStaticProvider } from "../../../src/provider/static/static-provider.ts";
import { createMemoryStore } from "../../../src/store/memory/memory-store.ts";
import { eventually } from "../server-fixture/eventually.ts";
import { agentProcessesOf, type Hello, WelcomedAgents } from "../welcomed-agents.ts";
import { HostProcess } from "./host-process.ts";

const JOIN_MS_MAX = 60_000;
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
  readonly #agents = new WelcomedAgents();
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
      onAgent: (socket) => this.#agents.accept(socket),
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
    return this.#agents.helloOf(instanceId) as Hello;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.isJoined(instanceId);
  }

  async crash(instanceId: InstanceId): Promise<void> {
    for (const pid of agentProcessesOf(instanceId)) process.kill(pid, "SIGKILL");
  }

  /** Of instances: the host itself goes on. */
  async traces(): Promise<readonly string[]> {
    const ofInstances = ["run/process", "sandbox/instances"]
      .map((path) => join(this.host?.dataDir ?? "", path))
      .flatMap((path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []));
    const agents = this.#agents
      .instanceIds()
      .flatMap((id) => agentProcessesOf(id).map((pid) => `agent ${pid} of ${id}`));
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
}
