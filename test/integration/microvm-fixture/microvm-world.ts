import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detectCgroups } from "../../../src/host/cgroup-host.ts";
import { buildHostBundles } from "../../../src/images/bundle.ts";
import type { InstanceId } from "../../../src/model/ids.ts";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { ProviderWorld } from "../../../src/ports/contract/capacity-provider-contract.ts";
import { createMicrovmProvider } from "../../../src/provider/microvm/microvm-provider.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../../src/provider/remote/remote-endpoint.ts";
import { dataIdOf } from "../../../src/provider/sandbox/data-id.ts";
import { createMemoryStore } from "../../../src/store/memory/memory-store.ts";
import { eventually } from "../server-fixture/eventually.ts";
import { type Hello, WelcomedAgents } from "../welcomed-agents.ts";
import { TEST_IMAGES_DIR, testVmImage } from "./image.ts";

/** An emulated boot on a machine that runs other tests. */
const JOIN_MS_MAX = 180_000;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const loud = { ...quiet, warn: console.error, error: console.error };

/** The server's end of instances that are machines: an endpoint and provider `microvm`. */
export class MicrovmWorld implements ProviderWorld {
  readonly serverSocketPath = "unused";
  readonly dataDir = mkdtempSync(join(tmpdir(), "hearth-microvm-"));
  readonly #store = createMemoryStore();
  readonly #agents = new WelcomedAgents();
  readonly #log = process.env["HEARTH_TEST_LOG"] === undefined ? quiet : loud;
  #endpoint: RemoteEndpoint | undefined;
  #provider: CapacityProvider | undefined;

  async open(): Promise<CapacityProvider> {
    await testVmImage();
    const joined = this.#agents.instanceIds().filter((id) => this.isJoined(id));
    await this.#endpoint?.close();
    const endpoint = await openRemoteEndpoint({
      host: "127.0.0.1",
      port: 0,
      advertisedHost: undefined,
      dataDir: this.dataDir,
      store: this.#store.hosts,
      heartbeatMs: 500,
      silenceMs: 10_000,
      readCode: () => Promise.reject(new Error("there is no code here")),
      onAgent: (socket) => this.#agents.accept(socket),
      clock: systemClock,
      log: this.#log,
    });
    this.#endpoint = endpoint;
    let address: { host: string; port: number } | undefined;
    const { runtimesDir } = await buildHostBundles(TEST_IMAGES_DIR, "0.0.0-test");
    this.#provider = await createMicrovmProvider({
      dataDir: this.dataDir,
      imagesDir: TEST_IMAGES_DIR,
      bundleDir: runtimesDir,
      network: true,
      hosts: endpoint.hosts,
      endpoint: () => address,
      memoryMiB: 6000,
      orphanMs: 120_000,
      log: this.#log,
    });
    address = await endpoint.listen();
    for (const id of joined) await this.#until(() => this.isJoined(id), id, "did not come back");
    return this.#provider;
  }

  async joined(instanceId: InstanceId): Promise<Hello> {
    await this.#until(() => this.isJoined(instanceId), instanceId, "did not join");
    return this.#agents.helloOf(instanceId) as Hello;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.isJoined(instanceId);
  }

  /** QEMU is killed, as by the kernel when memory runs out. */
  async crash(instanceId: InstanceId): Promise<void> {
    for (const pid of machinesOf(instanceId)) process.kill(pid, "SIGKILL");
  }

  async traces(): Promise<readonly string[]> {
    const folder = join(this.dataDir, "microvm/instances");
    const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
    const ids = new Set([...files.map((path) => path.slice(folder.length + 1)), ...this.#agents.instanceIds()]);
    const machines = [...ids].flatMap((id) => machinesOf(id).map((pid) => `machine ${pid} of ${id}`));
    const hosts = this.#endpoint?.hosts.hostsOf("microvm") ?? [];
    return [...files, ...machines, ...this.#groups(), ...hosts.map(({ instanceIds }) => `host of ${instanceIds}`)];
  }

  async close(): Promise<void> {
    const left = this.#groups();
    await this.#endpoint?.close();
    rmSync(this.dataDir, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left over: ${left}`);
  }

  /** What the guest wrote, for the message of a failed test. */
  consoleOf(instanceId: InstanceId): string {
    const read = (name: string) => {
      const path = join(this.dataDir, "microvm/instances", instanceId, name);
      return existsSync(path) ? readFileSync(path, "utf8") : "";
    };
    return `${read("console.log")}\n${read("qemu.log")}`;
  }

  #groups(): string[] {
    const cgroups = detectCgroups();
    const stateDir = join(this.dataDir, "microvm");
    if ("missing" in cgroups || !existsSync(stateDir)) return [];
    const path = `/hearth-${dataIdOf(stateDir)}`;
    return cgroups
      .group(path)
      .children()
      .map((name) => `${path}/${name}`);
  }

  async #until(isSo: () => boolean, instanceId: InstanceId, orElse: string): Promise<void> {
    const is = await eventually(async () => isSo(), Boolean, JOIN_MS_MAX);
    if (!is) throw new Error(`the agent of ${instanceId} ${orElse}; its machine:\n${this.consoleOf(instanceId)}`);
  }
}

/** QEMU's processes whose files are the instance's. */
export function machinesOf(instanceId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = "", ...args] = commandLineOf(pid);
      return program.includes("qemu") && args.some((arg) => arg.includes(`/${instanceId}/`));
    })
    .map(Number);
}

function commandLineOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // It is gone.
  }
}
