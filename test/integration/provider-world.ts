import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { buildBundles } from "../../src/images/bundle.ts";
import { findNodeBinaries } from "../../src/images/node-binaries.ts";
import type { InstanceId } from "../../src/model/ids.ts";
import type { CapacityProvider } from "../../src/ports/capacity-provider.ts";
import type { ProviderWorld } from "../../src/ports/contract/capacity-provider-contract.ts";
import { leftoversOf } from "./server-fixture/leftovers.ts";
import { keepImages, takeImages } from "./server-fixture/made-images.ts";
import { agentProcessesOf, type Hello, WelcomedAgents } from "./welcomed-agents.ts";

type Make = (parts: LocalParts) => Promise<CapacityProvider> | CapacityProvider;

const JOIN_MS_MAX = 60_000;
const LOOK_MS = 20;

/** What providers on this host are made with. */
export type LocalParts = Awaited<ReturnType<typeof buildBundles>> & {
  readonly dataDir: string;
  readonly imagesDir: string;
  readonly nodeBinaries: ReturnType<typeof findNodeBinaries>["paths"];
  readonly nodePath: string;
};

/** The server's end for instances on this host: their agents dial a unix socket, and are welcomed. */
export class LocalWorld implements ProviderWorld {
  readonly dataDir = mkdtempSync(join(tmpdir(), "hearth-provider-"));
  readonly serverSocketPath = join(this.dataDir, "agents.sock");
  readonly #make: Make;
  readonly #door: Server;
  readonly #agents = new WelcomedAgents();

  private constructor(make: Make) {
    this.#make = make;
    this.#door = createServer((socket) => this.#agents.accept(socket));
  }

  static async open(make: Make): Promise<LocalWorld> {
    const world = new LocalWorld(make);
    world.#door.listen(world.serverSocketPath);
    await once(world.#door, "listening");
    return world;
  }

  async open(): Promise<CapacityProvider> {
    const imagesDir = join(this.dataDir, "images");
    takeImages(this.dataDir);
    return this.#make({
      dataDir: this.dataDir,
      imagesDir,
      ...(await buildBundles(imagesDir)),
      nodeBinaries: findNodeBinaries().paths,
      nodePath: process.execPath,
    });
  }

  async joined(instanceId: InstanceId): Promise<Hello> {
    for (const untilMs = performance.now() + JOIN_MS_MAX; performance.now() < untilMs; await delay(LOOK_MS)) {
      const hello = this.#agents.helloOf(instanceId);
      if (hello !== undefined) return hello;
    }
    throw new Error(`the agent of ${instanceId} did not join`);
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.isJoined(instanceId);
  }

  async crash(instanceId: InstanceId): Promise<void> {
    for (const pid of agentProcessesOf(instanceId)) process.kill(pid, "SIGKILL");
  }

  async traces(): Promise<readonly string[]> {
    const ofInstances = ["run/process", "sandbox/instances", "harvest/sandbox/instances"]
      .map((path) => join(this.dataDir, path))
      .flatMap((path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []));
    const folders = [this.dataDir, join(this.dataDir, "harvest")].filter((path) => existsSync(path));
    const instances = this.#agents
      .instanceIds()
      .flatMap((id) => agentProcessesOf(id).map((pid) => `agent ${pid} of ${id}`));
    return [...new Set([...ofInstances, ...instances, ...folders.flatMap(leftoversOf)])];
  }

  async close(): Promise<void> {
    this.#agents.close();
    this.#door.close();
    await once(this.#door, "close");
    keepImages(this.dataDir);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
