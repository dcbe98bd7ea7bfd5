import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { InstanceId, OfferId } from "../../../src/model/ids.ts";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { createSandboxProvider } from "../../../src/provider/sandbox/sandbox-provider.ts";
import { keepImages, takeImages } from "../server-fixture/made-images.ts";

const FIXTURE_DIR = import.meta.dirname;
const NODE_BINARY = join(FIXTURE_DIR, "../../../node_modules", `nodejs22.x-linux-${process.arch}`, "bin/node");
const JOIN_TIMEOUT_MS = 20_000;

/** A server's side of the tests: a provider, and the agents that dial in. */
export class SandboxHost {
  readonly dataDir: string;
  readonly #agents = new Map<string, Socket>();
  readonly #joined = new Map<string, () => void>();
  readonly #waiting = new Map<string, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #server: Server;
  #orders = 0;
  provider!: CapacityProvider;

  constructor(dataDir = mkdtempSync(join(tmpdir(), "hearth-sandbox-"))) {
    this.dataDir = dataDir;
    takeImages(dataDir);
    rmSync(this.#socketPath, { force: true });
    this.#server = createServer((socket) => this.#accept(socket)).listen(this.#socketPath);
  }

  async open(options: { network: boolean; ociRuntime?: string } = { network: false }): Promise<void> {
    this.provider = await createSandboxProvider({
      dataDir: this.dataDir,
      imagesDir: join(this.dataDir, "images"),
      agentBundlePath: join(FIXTURE_DIR, "agent.ts"),
      runtimesDir: join(FIXTURE_DIR, "runtimes"),
      nodeBinaries: { "nodejs22.x": NODE_BINARY },
      network: options.network,
      nodePath: process.execPath,
      log: { info() {}, warn() {} },
      ...(options.ociRuntime === undefined ? {} : { ociRuntimes: [options.ociRuntime] }),
    });
    keepImages(this.dataDir);
  }

  /** Resolves once the agent has joined. */
  async launch(name: string, shape = { memoryMiB: 1024, cpuMilli: 2000 }): Promise<TestInstance> {
    const order = {
      instanceId: name as InstanceId,
      offerId: "test" as OfferId,
      subPool: "fixed",
      shape,
      bidUsdPerHour: undefined,
      token: "secret",
    } as const;
    const { promise: joined, resolve } = Promise.withResolvers<void>();
    this.#joined.set(name, resolve);
    await this.provider.launch({ ...order, serverSocketPath: this.#socketPath });
    const late = delay(JOIN_TIMEOUT_MS, "late", { ref: false });
    if ((await Promise.race([joined, late])) === "late") throw new Error(`the agent of ${name} did not join`);
    return new TestInstance(this, name);
  }

  order(instance: string, order: object): Promise<unknown> {
    this.#orders += 1;
    const id = `o${this.#orders}`;
    this.#agents.get(instance)?.write(`${JSON.stringify({ ...order, id })}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async close(): Promise<void> {
    for (const instanceId of (await this.provider?.list()) ?? []) await this.provider.terminate(instanceId);
    await this.provider?.close();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  get #socketPath(): string {
    return join(this.dataDir, "agents.sock");
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {}); // The agent was killed.
    createInterface({ input: socket }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.hello !== undefined) {
        this.#agents.set(message.hello, socket);
        this.#joined.get(message.hello)?.();
        return;
      }
      const waiting = this.#waiting.get(message.id);
      if (message.error !== undefined) waiting?.reject(new Error(message.error));
      else waiting?.resolve(message.value);
    });
  }
}

export class TestInstance {
  readonly #host: SandboxHost;
  readonly name: string;

  constructor(host: SandboxHost, name: string) {
    this.#host = host;
    this.name = name;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test's own messages
  order(op: string, order: object = {}): Promise<any> {
    return this.#host.order(this.name, { op, ...order });
  }

  create(containerId: string, memoryMiB = 256, runtime = "nodejs22.x") {
    return this.order("create", { containerId, runtime, memoryMiB });
  }

  assign(
    containerId: string,
    codeDir: string,
    more: {
      memoryMiB?: number;
      rescueMemoryMiB?: number;
      cpuMilli?: number;
      tmpMiB?: number;
      layers?: { dir: string };
    } = {},
  ) {
    const { memoryMiB = 256, cpuMilli = 2000, tmpMiB: ephemeralStorageMiB = 512, rescueMemoryMiB, layers } = more;
    const assignment = { codeDir, layers, memoryMiB, cpuMilli, ephemeralStorageMiB, rescueMemoryMiB };
    return this.order("assign", { containerId, ...assignment });
  }

  /** Runs JavaScript inside the container. @returns what it returns; throws its error's code or message. */
  async evaluate(containerId: string, code: string) {
    const { value, error, exit } = await this.order("evaluate", { containerId, code });
    if (exit !== undefined) return { exit };
    if (error !== undefined) throw new Error(error);
    return value;
  }

  destroy(containerId: string) {
    return this.order("destroy", { containerId });
  }
}
