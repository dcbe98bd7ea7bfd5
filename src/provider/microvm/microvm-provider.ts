import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cgroup } from "../../host/cgroup.ts";
import { availableCpuMilli, availableMemoryMiB } from "../../host/host-resources.ts";
import { socketPathIn } from "../../host/socket-path.ts";
import { packBundle } from "../../images/vm/build-vm-image.ts";
import { GUEST_PATHS } from "../../images/vm/vm-image.ts";
import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import type { HostAgentConfigInput } from "../../protocol/host-agent-config.ts";
import { loadOrMakeKey } from "../../protocol/pinned-key.ts";
import type { HostOwner } from "../remote/remote-hosts.ts";
import { dataIdOf } from "../sandbox/data-id.ts";
import { hostNameservers } from "../sandbox/host-addresses.ts";
import { InstanceSlots } from "../sandbox/instance-slots.ts";
import { missingNetworkPrograms, SandboxNetwork } from "../sandbox/sandbox-network.ts";
import { boundConsole, consolePathIn } from "./console-log.ts";
import { makeDataDisk } from "./data-disk.ts";
import { detectMicrovm, type MicrovmFinding, QEMU_UID_BASE } from "./detect-microvm.ts";
import { GATEWAY, GATEWAY_PORT } from "./guest-network.ts";
import { guestMemoryMiB, guestProcessors, hostShape } from "./guest-shape.ts";
import { checkMachine, machineOffer } from "./machine-offer.ts";
import { startMachine } from "./machine-process.ts";
import type { MicrovmOptions } from "./microvm-options.ts";
import { QEMU, qemuArguments } from "./qemu-command.ts";
import { ServerGateway } from "./server-gateway.ts";

/** Of the memory that is available on the host when nothing was said: the rest is for what else runs there. */
const MEMORY_SHARE = 0.5;
const DISK_MIB = 16 * 1024;
/** A machine boots and joins in half a minute where processors are emulated; a busy host takes longer. */
const JOIN_MS_MAX = 600_000;
/** QEMU's threads, and the processes of the way to the server. */
const PIDS_MAX = 256;
/** Machines of an earlier server are no children of ours: their end is looked for. All have consoles that grow. */
const WATCH_MS = 1000;
const TERMINATE_TIMEOUT_MS = 15_000;
const TERMINATE_POLL_MS = 5;

/**
 * Instances that are virtual machines of this host, see docs/providers/microvm.md. `options.hosts` must not listen yet.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE with what is missing, and the remedy.
 */
export async function createMicrovmProvider(options: MicrovmOptions): Promise<CapacityProvider> {
  const { dataDir, imagesDir, bundleDir, endpoint, hosts, log } = options;
  const stateDir = join(dataDir, "microvm");
  const finding = await detectMicrovm(stateDir, imagesDir);
  if (finding.whyNotKvm !== undefined) {
    const text = "machines are EMULATED IN SOFTWARE, several times slower than the host: KVM does not work here";
    log.warn({ why: finding.whyNotKvm }, text);
  }
  const dataId = dataIdOf(stateDir);
  const network = options.network ? await openNetwork(dataId, log) : undefined;
  const gatewayPath = socketPathIn(stateDir);
  const gateway = new ServerGateway(gatewayPath, endpoint, log);
  const bundlePath = await packBundle(imagesDir, bundleDir);
  const provider = new MicrovmProvider({
    ...options,
    finding,
    stateDir,
    dataId,
    sandboxNetwork: network,
    gateway,
    gatewayPath,
    bundlePath,
  });
  hosts.own("microvm", provider.owner);
  await gateway.listen();
  return provider;
}

async function openNetwork(dataId: string, log: MicrovmOptions["log"]): Promise<SandboxNetwork | undefined> {
  const missing = await missingNetworkPrograms();
  if (missing.length === 0) return SandboxNetwork.open(dataId);
  log.warn({ missing }, "functions have no network: install iproute2, nftables and util-linux");
  return undefined;
}

type Parts = MicrovmOptions & {
  readonly finding: MicrovmFinding;
  readonly stateDir: string;
  /** Not the sandbox provider's: both may run on one data folder. */
  readonly dataId: string;
  /** undefined: machines reach nothing but the server. */
  readonly sandboxNetwork: SandboxNetwork | undefined;
  readonly gateway: ServerGateway;
  readonly gatewayPath: string;
  readonly bundlePath: string;
};

class MicrovmProvider implements CapacityProvider {
  readonly kind = "microvm" as const;
  readonly isolation: string;
  readonly #parts: Parts;
  readonly #given: Shape;
  readonly #offer: Offer;
  readonly #slots: InstanceSlots;
  readonly #launches = new Map<InstanceId, Promise<void>>();
  /** Being ended, so that their end is no news. */
  readonly #ending = new Set<InstanceId>();
  /** Of an earlier server, and seen alive. */
  readonly #adopted: Set<InstanceId>;
  readonly #watch: NodeJS.Timeout;
  #listener: CapacityListener | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.isolation = isolationOf(parts);
    this.#slots = new InstanceSlots(join(parts.stateDir, "instances"), (instanceId) => this.#isThere(instanceId));
    this.#adopted = new Set(this.#instanceIds());
    const { accelerator } = parts.finding;
    const heldMiB = this.#heldShapes().reduce((sum, shape) => sum + hostShape(shape, accelerator).memoryMiB, 0);
    const memoryMiB = parts.memoryMiB ?? Math.floor((availableMemoryMiB() + heldMiB) * MEMORY_SHARE);
    this.#given = { memoryMiB, cpuMilli: availableCpuMilli() };
    this.#offer = machineOffer(this.#given, accelerator, parts.priceUsdPerHour ?? 0);
    this.#watch = setInterval(() => this.#lookAtMachines(), WATCH_MS);
    this.#watch.unref();
  }

  /** What the guests' host agents say. */
  readonly owner: HostOwner = {
    onHost: () => {},
    onRemoved: ({ instanceIds }) => {
      for (const instanceId of instanceIds) this.#ended(instanceId, "the operator removed its machine");
    },
    onAtRisk: ({ instanceIds }, reason) => {
      for (const instanceId of instanceIds) this.#listener?.onAtRisk(instanceId, reason);
    },
    onReclaim: ({ instanceIds }, deadlineMs, reason) => {
      for (const instanceId of instanceIds) this.#listener?.onReclaim(instanceId, deadlineMs, reason);
    },
    onExit: (_host, instanceId, reason) => this.#ended(instanceId, reason),
  };

  offers(): readonly Offer[] {
    return [this.#offer];
  }

  watch(listener: CapacityListener): void {
    this.#listener = listener;
  }

  async launch(order: LaunchOrder): Promise<void> {
    const { instanceId, shape } = order;
    const slot = this.#takeSlot(order);
    const launch = this.#start(order, slot);
    this.#launches.set(instanceId, launch);
    try {
      await launch;
      this.#parts.log.info({ instanceId, slot, shape }, "machine started");
    } catch (error) {
      await this.#end(instanceId);
      throw new HearthError("LAUNCH_FAILED", (error as Error).message, { cause: error });
    } finally {
      this.#launches.delete(instanceId);
    }
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    this.#ending.add(instanceId);
    this.#groupOf(instanceId).killAll();
    // What a launch has yet to make would be left behind.
    await this.#launches.get(instanceId)?.catch(() => {});
    await this.#end(instanceId);
  }

  async list(): Promise<readonly InstanceId[]> {
    return this.#instanceIds();
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.#parts.gateway.close();
    await this.#parts.sandboxNetwork?.close();
    this.#group.remove();
  }

  /** Before all else: an instance that exists under this name must not suffer from the attempt. */
  #takeSlot(order: LaunchOrder): number {
    const { instanceId, shape } = order;
    try {
      if (this.#slots.slotOf(instanceId) === undefined)
        checkMachine(order, this.#offer, this.#heldShapes(), this.#given, this.#parts.finding.accelerator);
      return this.#slots.take(instanceId, shape);
    } catch (error) {
      if (error instanceof HearthError) throw error;
      throw new HearthError("LAUNCH_FAILED", (error as Error).message, { cause: error });
    }
  }

  async #start(order: LaunchOrder, slot: number): Promise<void> {
    const { finding, bundlePath, gatewayPath, sandboxNetwork, diskMiB = DISK_MIB } = this.#parts;
    const { instanceId, shape } = order;
    const directory = this.#slots.directoryOf(instanceId);
    const dataPath = join(directory, "data.ext4");
    await makeDataDisk(dataPath, diskMiB);
    const group = this.#groupOf(instanceId);
    group.create();
    group.setLimits({ ...hostShape(shape, finding.accelerator), pidsMax: PIDS_MAX });
    const { kernelPath, initrdPath, rootPath } = finding.image;
    const command = qemuArguments({
      accelerator: finding.accelerator,
      memoryMiB: guestMemoryMiB(shape),
      processors: guestProcessors(shape),
      kernelPath,
      initrdPath,
      imagePaths: [rootPath, bundlePath],
      dataPath,
      configFiles: await this.#writeConfig(order, directory),
      kernelOptions: [],
      console: { kind: "file", path: consolePathIn(directory) },
      uid: QEMU_UID_BASE + 1 + slot,
    });
    if (this.#ending.has(instanceId)) throw new Error("it was ended while it was launched");
    await startMachine({
      command: [QEMU, ...command],
      gatewayPath,
      logPath: join(directory, "qemu.log"),
      prepare: async (pid) => {
        group.addProcess(pid);
        await sandboxNetwork?.connect(slot, pid);
      },
      onExit: (reason) => this.#ended(instanceId, reason),
    });
  }

  /** For root only, and gone with the instance: one of them holds the join token. */
  async #writeConfig(order: LaunchOrder, directory: string): Promise<Readonly<Record<string, string>>> {
    const { hosts, finding, sandboxNetwork, orphanMs, priceUsdPerHour = 0 } = this.#parts;
    const { shape, subPool } = order;
    const terms = { provider: this.kind, name: undefined, zone: "host", subPool, priceUsdPerHour, noticeMs: undefined };
    const { token } = await hosts.inviteForInstance(terms, order, JOIN_MS_MAX);
    const config: HostAgentConfigInput = {
      server: `${GATEWAY}:${GATEWAY_PORT}`,
      token,
      name: "microvm",
      dataDir: join(GUEST_PATHS.data, "host"),
      provider: "sandbox",
      memoryMiB: shape.memoryMiB,
      cpuMilli: shape.cpuMilli,
      network: sandboxNetwork !== undefined,
      isSingle: true,
      orphanMs,
      bundleDir: GUEST_PATHS.bundle,
      nodeBinaries: pathsIn(GUEST_PATHS.node, finding.image.manifest.runtimes),
      pythonHomes: pathsIn(GUEST_PATHS.python, Object.keys(finding.image.manifest.pythons)),
      nodePath: GUEST_PATHS.agentNode,
    };
    const nameservers = sandboxNetwork === undefined ? [] : hostNameservers();
    // Made here: making one takes seconds where processors are emulated.
    await loadOrMakeKey(join(directory, "host-key"), "hearth host");
    const files = {
      "host-agent": JSON.stringify(config),
      // QEMU takes no empty file.
      "resolv-conf": `# Of the host.\n${nameservers.map((server) => `nameserver ${server}\n`).join("")}`,
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
      chmodSync(join(directory, name), 0o600);
    }
    return Object.fromEntries([...Object.keys(files), "host-key"].map((name) => [name, join(directory, name)]));
  }

  async #end(instanceId: InstanceId): Promise<void> {
    const group = this.#groupOf(instanceId);
    const deadlineMs = performance.now() + TERMINATE_TIMEOUT_MS;
    this.#ending.add(instanceId);
    group.killAll();
    while (!group.remove()) {
      if (performance.now() > deadlineMs) throw new Error(`machine ${instanceId} does not end after SIGKILL`);
      await delay(TERMINATE_POLL_MS);
      group.killAll();
    }
    const slot = this.#slots.slotOf(instanceId);
    if (slot !== undefined) await this.#parts.sandboxNetwork?.disconnect(slot);
    this.#slots.give(instanceId);
    this.#adopted.delete(instanceId);
    this.#ending.delete(instanceId);
    await this.#parts.hosts.forgetInstance(instanceId);
  }

  #lookAtMachines(): void {
    this.#lookForEnded();
    for (const instanceId of this.#instanceIds()) {
      try {
        boundConsole(this.#slots.directoryOf(instanceId));
      } catch (error) {
        this.#parts.log.warn({ instanceId, error }, "a machine's console could not be emptied");
      }
    }
  }

  #lookForEnded(): void {
    for (const instanceId of this.#adopted) {
      if (this.#groupOf(instanceId).processIds().length > 0) continue;
      this.#adopted.delete(instanceId);
      this.#ended(instanceId, "its machine ended");
    }
  }

  #ended(instanceId: InstanceId, reason: string): void {
    if (!this.#ending.has(instanceId)) this.#listener?.onExit(instanceId, reason);
  }

  /** Of machines that run or are being started: one that died takes no memory any more, though it is still to be cleaned up. */
  #heldShapes(): readonly Shape[] {
    const isHeld = (instanceId: InstanceId) =>
      this.#launches.has(instanceId) || this.#groupOf(instanceId).processIds().length > 0;
    return this.#slots
      .entries()
      .filter(({ instanceId }) => isHeld(instanceId))
      .map(({ shape }) => shape);
  }

  #instanceIds(): readonly InstanceId[] {
    return this.#group.children() as InstanceId[];
  }

  #isThere(instanceId: string): boolean {
    return this.#instanceIds().includes(instanceId as InstanceId);
  }

  get #group(): Cgroup {
    return this.#parts.finding.cgroups.group(`/hearth-${this.#parts.dataId}`);
  }

  #groupOf(instanceId: InstanceId): Cgroup {
    return this.#parts.finding.cgroups.group(join(this.#group.path, instanceId));
  }
}

function pathsIn(folder: string, runtimes: readonly string[]): Record<string, string> {
  return Object.fromEntries(runtimes.map((runtime) => [runtime, join(folder, runtime)]));
}

function isolationOf({ finding, sandboxNetwork, network }: Parts): string {
  const processors =
    finding.whyNotKvm === undefined
      ? "by QEMU with KVM"
      : `by QEMU, EMULATED IN SOFTWARE and so several times slower (${finding.whyNotKvm})`;
  const reach =
    sandboxNetwork !== undefined
      ? "network by NAT"
      : network
        ? "no network (programs missing)"
        : "no network, as configured";
  return `virtual machines ${processors}, ${reach}; in them containers with user namespaces, seccomp and cgroup v2`;
}
