import { existsSync, rmdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cgroup, CgroupTotals } from "../../host/cgroup.ts";
import { type CgroupHost, detectCgroups } from "../../host/cgroup-host.ts";
import { availableCpuMilli, availableMemoryMiB } from "../../host/host-resources.ts";
import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import { type AgentConfig, CONTAINERS_PER_INSTANCE_MAX } from "../../protocol/agent-config.ts";
import { checkRoom } from "../slice-room.ts";
import { usualSlice } from "../usual-slice.ts";
import { dataIdOf, mountDirOf, seedOf } from "./data-id.ts";
import { detectSandbox, type SandboxFinding } from "./detect-sandbox.ts";
import { startInstance } from "./instance-process.ts";
import { InstanceSlots, type SlotRecord, uidBaseOf } from "./instance-slots.ts";
import { missingNetworkPrograms, SandboxNetwork } from "./sandbox-network.ts";
import type { SandboxOptions } from "./sandbox-options.ts";

/** What instances may take of the memory that the host has to spare, unless it is said. */
const MEMORY_SHARE = 0.8;
/** The agent itself, the OCI runtimes that it starts and the results that it keeps, beside the shape that containers are offered. */
const AGENT_MEMORY_MIB = 256;
/** What passes through the agent for one container at once: a payload and a response, each read and to be written. */
const AGENT_MEMORY_MIB_PER_CONTAINER = 24;
/** Lambda's smallest function. */
const CONTAINER_MEMORY_MIB_MIN = 128;
/** Threads of an instance: a quarter of the process ids that a small host has (32,768). */
const CONTAINERS_PIDS_MAX = 8192;
/** Node's threads, and those of the OCI runtimes that it starts. */
const AGENT_PIDS_MAX = 512;
const TERMINATE_TIMEOUT_MS = 15_000;
const TERMINATE_POLL_MS = 5;
const MEBIBYTE = 1024 * 1024;

/** Instances on this host, and how much of it they take. */
export type Sandbox = CapacityProvider & {
  /** Those that exist or are being made, with the memory that they use (file cache apart). */
  instances(): readonly (Pick<SlotRecord, "shape" | "launchedMs"> & {
    readonly instanceId: InstanceId;
    readonly usedMiB: number;
  })[];
  /** Of all of them together. */
  totals(): CgroupTotals;
  /** Memory that is free on the host now and promised to instances, or kept for those to come. */
  owedMiB(): number;
};

/**
 * Instances on this Linux host, see the README beside this file.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE with what is missing.
 */
export async function createSandboxProvider(options: SandboxOptions): Promise<Sandbox> {
  const detection = await detectSandbox(options);
  const cgroups = detectCgroups();
  if (!detection.works) throw new HearthError("PROVIDER_UNAVAILABLE", detection.reason);
  if ("missing" in cgroups) throw new HearthError("PROVIDER_UNAVAILABLE", cgroups.missing);
  const dataId = dataIdOf(options.dataDir);
  const stateDir = join(options.dataDir, "sandbox");
  const network = options.network ? await openNetwork(dataId, options.log) : undefined;
  await mkdir(mountDirOf(dataId), { recursive: true, mode: 0o755 });
  return new SandboxProvider({ ...options, ...detection, dataId, stateDir, cgroups, network });
}

async function openNetwork(dataId: string, log: SandboxOptions["log"]) {
  const missing = await missingNetworkPrograms();
  if (missing.length > 0) {
    log.warn({ missing }, "functions have no network: install iproute2, nftables and util-linux");
    return undefined;
  }
  const network = await SandboxNetwork.open(dataId);
  if (!network.boundsConnections)
    log.warn({}, "an instance can fill the host's connection tracking: the kernel lacks nft_connlimit");
  if (network.nameservers.length === 0)
    log.warn({}, "functions cannot look up names: the host has no nameserver but on itself");
  return network;
}

type Parts = Omit<SandboxOptions, "network"> & {
  readonly isolation: string;
  readonly finding: SandboxFinding;
  readonly dataId: string;
  readonly stateDir: string;
  readonly cgroups: CgroupHost;
  /** undefined: instances have loopback only. */
  readonly network: SandboxNetwork | undefined;
};

class SandboxProvider implements Sandbox {
  readonly kind = "sandbox";
  readonly isolation: string;
  readonly #offer: Offer;
  readonly #parts: Parts;
  #listener: CapacityListener | undefined;
  readonly #slots: InstanceSlots;
  readonly #capacity: () => Shape;
  readonly #launches = new Map<InstanceId, Promise<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.isolation = parts.isolation;
    this.#slots = new InstanceSlots(join(parts.stateDir, "instances"), (instanceId) =>
      this.#group.children().includes(instanceId),
    );
    const yielding = (parts.yieldingDirs ?? []).filter((path) => existsSync(path)).map(dataIdOf);
    const groups = [parts.dataId, ...yielding].map((dataId) => this.#groupOfAll(dataId));
    const atStart = capacityOf(groups, parts.memoryShare ?? MEMORY_SHARE);
    this.#capacity = parts.capacity ?? (() => atStart);
    this.#offer = offerOf(this.#promised());
  }

  offers(): readonly Offer[] {
    return [this.#offer];
  }

  watch(listener: CapacityListener): void {
    this.#listener = listener;
  }

  async launch(order: LaunchOrder): Promise<void> {
    const slot = this.#takeSlot(order);
    const launch = this.#start(order, slot);
    this.#launches.set(order.instanceId, launch);
    try {
      await launch;
      this.#parts.log.info({ instanceId: order.instanceId, slot, shape: order.shape }, "sandbox started");
    } catch (error) {
      await this.#end(order.instanceId);
      throw new HearthError("LAUNCH_FAILED", (error as Error).message, { cause: error });
    } finally {
      this.#launches.delete(order.instanceId);
    }
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    this.#groupOf(instanceId).killAll();
    // What a launch has yet to make would be left behind.
    await this.#launches.get(instanceId)?.catch(() => {});
    await this.#end(instanceId);
  }

  async #start(order: LaunchOrder, slot: number): Promise<void> {
    const agentGroup = this.#makeGroups(order);
    await startInstance({
      nodePath: this.#parts.nodePath,
      agentBundlePath: this.#parts.agentBundlePath,
      config: this.#configOf(order, slot),
      logPath: join(this.#slots.directoryOf(order.instanceId), "agent.log"),
      prepare: async (pid) => {
        agentGroup.addProcess(pid);
        await this.#parts.network?.connect(slot, pid);
      },
      onExit: (reason) => this.#listener?.onExit(order.instanceId, reason),
    });
  }

  async #end(instanceId: InstanceId): Promise<void> {
    const group = this.#groupOf(instanceId);
    const deadlineMs = performance.now() + TERMINATE_TIMEOUT_MS;
    group.killAll();
    while (!group.remove()) {
      if (performance.now() > deadlineMs) throw new Error(`instance ${instanceId} does not end after SIGKILL`);
      await delay(TERMINATE_POLL_MS);
      group.killAll();
    }
    const slot = this.#slots.slotOf(instanceId);
    if (slot !== undefined) await this.#parts.network?.disconnect(slot);
    this.#slots.give(instanceId);
  }

  instances() {
    return this.#slots.entries().map(({ instanceId, shape, launchedMs }) => {
      const usedMiB = this.#groupOf(instanceId).totals().memoryBytes / MEBIBYTE;
      return { instanceId, shape, launchedMs, usedMiB };
    });
  }

  totals(): CgroupTotals {
    return this.#group.totals();
  }

  owedMiB(): number {
    return Math.max(0, this.#promised().memoryMiB - this.totals().memoryBytes / MEBIBYTE);
  }

  async list(): Promise<readonly InstanceId[]> {
    return this.#group.children() as InstanceId[];
  }

  async close(): Promise<void> {
    await this.#parts.network?.close();
    this.#group.remove();
    const mountDir = mountDirOf(this.#parts.dataId);
    if (existsSync(mountDir)) rmdirSync(mountDir);
  }

  /** Before all else: an instance that exists under this name must not suffer from the attempt. */
  #takeSlot({ instanceId, shape }: LaunchOrder): number {
    const held = this.#slots.entries().map((other) => other.shape);
    if (this.#slots.slotOf(instanceId) === undefined) checkRoom(shape, held, this.#promised());
    try {
      return this.#slots.take(instanceId, shape);
    } catch (error) {
      throw new HearthError("LAUNCH_FAILED", (error as Error).message, { cause: error });
    }
  }

  #promised(): Shape {
    const { memoryMiB, cpuMilli } = this.#capacity();
    return { memoryMiB: Math.floor(memoryMiB * (this.#parts.overcommit ?? 1)), cpuMilli };
  }

  /**
   * Limits lie on the containers together and on the agent apart from them: functions that use
   * all they were given take nothing from the agent, which must still end them in time.
   *
   * @returns the agent's group.
   */
  #makeGroups({ instanceId, shape }: LaunchOrder): Cgroup {
    const containers = this.#parts.cgroups.group(containersPath(this.#groupOf(instanceId)));
    containers.create();
    const { cpuWeight } = this.#parts;
    if (cpuWeight !== undefined) this.#group.setLimits({ cpuWeight });
    containers.setLimits({ ...shape, pidsMax: CONTAINERS_PIDS_MAX });
    const agent = this.#parts.cgroups.group(join(this.#groupOf(instanceId).path, "agent"));
    agent.create();
    agent.setLimits({ memoryMiB: agentMemoryMiB(shape), pidsMax: AGENT_PIDS_MAX });
    return agent;
  }

  #configOf(order: LaunchOrder, slot: number): AgentConfig {
    const { finding, runtimesDir, nodeBinaries, pythonHomes = {}, dataId, network } = this.#parts;
    return {
      ...order,
      isolation: this.isolation,
      runtimesDir,
      nodeBinaries,
      pythonHomes,
      backend: {
        kind: "sandbox",
        ...finding,
        cgroupPath: containersPath(this.#groupOf(order.instanceId)),
        uidBase: uidBaseOf(seedOf(dataId), slot),
        nameservers: [...(network?.nameservers ?? [])],
        workDir: this.#slots.directoryOf(order.instanceId),
        mountDir: mountDirOf(dataId),
      },
    };
  }

  get #group(): Cgroup {
    return this.#groupOfAll(this.#parts.dataId);
  }

  #groupOfAll(dataId: string): Cgroup {
    return this.#parts.cgroups.group(`/hearth-${dataId}`);
  }

  #groupOf(instanceId: InstanceId): Cgroup {
    return this.#parts.cgroups.group(join(this.#group.path, instanceId));
  }
}

/** A limit and not a reservation: an agent that carries small payloads stays below 100 MiB. */
function agentMemoryMiB({ memoryMiB }: Shape): number {
  const containersMax = Math.min(Math.floor(memoryMiB / CONTAINER_MEMORY_MIB_MIN), CONTAINERS_PER_INSTANCE_MAX);
  return AGENT_MEMORY_MIB + Math.max(0, containersMax) * AGENT_MEMORY_MIB_PER_CONTAINER;
}

function containersPath(instance: Cgroup): string {
  return join(instance.path, "containers");
}

function offerOf(capacity: Shape): Offer {
  return {
    id: "sandbox/host/slice/on-demand" as OfferId,
    provider: "sandbox",
    subPool: "fixed",
    instanceType: "slice",
    zone: "host",
    shape: usualSlice(capacity),
    isElastic: true,
    capacity,
    priceUsdPerHour: 0,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: Number.POSITIVE_INFINITY,
  };
}

/** What instances of an earlier server hold counts as ours, not as taken. */
function capacityOf(ours: readonly Cgroup[], memoryShare: number): Shape {
  const heldMiB = ours.reduce((sum, group) => sum + group.totals().memoryBytes, 0) / MEBIBYTE;
  return {
    memoryMiB: Math.floor((availableMemoryMiB() + heldMiB) * memoryShare),
    cpuMilli: availableCpuMilli(),
  };
}
