import { chownSync, closeSync, constants, openSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Cgroup } from "../../host/cgroup.ts";
import { type CgroupHost, detectCgroups } from "../../host/cgroup-host.ts";
import { DescriptorWatch } from "../../host/descriptor-watch.ts";
import { makeFifo, scheduleAsBatch, socketPair } from "../../host/libc.ts";
import { bringLoopbackUp } from "../../host/loopback.ts";
import { hostUidOf, ociConfig, ociProcess, UIDS_PER_CONTAINER } from "../../host/oci/oci-config.ts";
import type { ContainerId } from "../../model/ids.ts";
import { isPythonRuntime, type RuntimeName } from "../../model/runtime.ts";
import { type AgentConfig, CONTAINERS_PER_INSTANCE_MAX } from "../../protocol/agent-config.ts";
import { type AgentLog, reasonOf } from "../agent-log.ts";
import type {
  ContainerBackend,
  ContainerHandle,
  ExtensionProcesses,
  PressureBounds,
  PressureReport,
} from "../container-backend.ts";
import { START_EXTENSIONS } from "../extensions/extension-processes.ts";
import { libraryPath } from "../function-environment.ts";
import { runtimeCommand } from "../runtime-command.ts";
import { withInit } from "./container-init.ts";
import { CoveredHierarchy } from "./covered-hierarchy.ts";
import { CONTAINER_PATHS, InstanceMounts } from "./instance-mounts.ts";
import { InstancePressure } from "./instance-pressure.ts";
import { OciRuntime } from "./oci-runtime.ts";
import { startOrphanReaper } from "./orphan-reaper.ts";
import { ParallelLimit } from "./parallel-limit.ts";
import { roomForRescue } from "./raised-limit.ts";
import { removeEmptied, SandboxContainer } from "./sandbox-container.ts";
import { diskTmpVolumes, memoryTmpVolumes } from "./tmp-volume.ts";

/** Each start takes some 20 MiB of the agent's own memory, and more at once are no faster on few CPUs. */
const STARTS_MAX = 2;
/** Threads count too; as many as Lambda gives. */
const PIDS_MAX = 1024;
/** Lambda's default; another size is mounted over it when the container is assigned. */
const TMP_SIZE_MIB = 512;
const KILL_LOOKS_MS = [1, 20, 200, 1000];
const MEBIBYTE = 1024 * 1024;

/**
 * Prepares the agent's mount namespace and makes containers in it. The agent must be the first
 * process of namespaces of its own, as the sandbox provider starts it.
 *
 * @throws Error naming what could not be prepared.
 */
export async function createSandboxBackend(config: AgentConfig, log: AgentLog): Promise<ContainerBackend> {
  if (config.backend.kind !== "sandbox") throw new Error(`not the configuration of a sandbox: ${config.backend.kind}`);
  const cgroups = detectCgroups();
  if ("missing" in cgroups) throw new Error(cgroups.missing);
  bringLoopbackUp();
  // Under load a fifth more invocations per second: a container that is woken does not interrupt the agent's turn.
  scheduleAsBatch();
  return new SandboxBackend(config, config.backend, cgroups, log);
}

type SandboxConfig = Extract<AgentConfig["backend"], { kind: "sandbox" }>;

class SandboxBackend implements ContainerBackend {
  readonly #config: SandboxConfig;
  readonly #shape: AgentConfig["shape"];
  readonly #log: AgentLog;
  readonly #cgroups: CgroupHost;
  readonly #mounts: InstanceMounts;
  readonly #ociRuntime: OciRuntime;
  readonly #covered: CoveredHierarchy;
  readonly #starts = new ParallelLimit(STARTS_MAX, CONTAINERS_PER_INSTANCE_MAX);
  /** Numbers of the containers that exist; each has a range of uids. */
  readonly #slots = new Set<number>();
  readonly #watch = new DescriptorWatch();
  readonly #containers = new Set<SandboxContainer>();
  #stopKills: (() => void) | undefined;
  #pressure: InstancePressure | undefined;
  readonly #stopReaper = startOrphanReaper();

  constructor(config: AgentConfig, backend: SandboxConfig, cgroups: CgroupHost, log: AgentLog) {
    this.#config = backend;
    this.#shape = config.shape;
    this.#log = log;
    this.#cgroups = cgroups;
    this.#covered = new CoveredHierarchy(cgroups.unusedMount);
    const { runtimesDir, nodeBinaries, pythonHomes } = config;
    const { baseImageDir, nameservers } = backend;
    const tmpVolumes = backend.tmpOnDisk ? diskTmpVolumes(backend.workDir) : memoryTmpVolumes;
    const sources = { baseImageDir, nameservers, runtimesDir, nodeBinaries, pythonHomes };
    this.#mounts = new InstanceMounts(backend.mountDir, sources, tmpVolumes);
    this.#ociRuntime = new OciRuntime(backend.ociRuntimePath, this.#mounts.stateDir);
  }

  async create(containerId: ContainerId, runtime: RuntimeName, memoryMiB: number): Promise<ContainerHandle> {
    const slot = this.#takeSlot();
    const cgroup = this.#cgroups.group(join(this.#config.cgroupPath, containerId));
    try {
      const container = await this.#starts.run(() => this.#start(containerId, runtime, memoryMiB, slot, cgroup));
      this.#watch.open(); // Before a call waits for it.
      this.#stopKills ??= this.#group.watchKills(this.#watch, () => this.#onKills());
      return container;
    } catch (error) {
      await removeEmptied(cgroup);
      this.#mounts.close(containerId);
      this.#giveBack(slot, cgroup);
      throw error;
    }
  }

  watchPressure(bounds: PressureBounds | undefined, onReport: (report: PressureReport) => void): void {
    this.#pressure?.close();
    this.#pressure = bounds && new InstancePressure(this.#group, this.#watch, bounds, onReport);
  }

  async close(): Promise<void> {
    this.#stopReaper();
    this.#pressure?.close();
    this.#stopKills?.();
    await this.#watch.close();
  }

  /** The event comes before the kill, which is looked for a few times. */
  #onKills(): void {
    for (const afterMs of KILL_LOOKS_MS) {
      setTimeout(() => {
        for (const container of this.#containers) {
          try {
            container.hastenEnd();
          } catch (cause) {
            this.#log("warn", "a killed container goes on as it was", { reason: reasonOf(cause) });
          }
        }
      }, afterMs).unref();
    }
  }

  /** Of all containers of the instance together. */
  get #group(): Cgroup {
    return this.#cgroups.group(this.#config.cgroupPath);
  }

  #roomMiB(): number {
    const { memoryBytes } = this.#group.totals();
    return roomForRescue(this.#shape.memoryMiB, memoryBytes / MEBIBYTE);
  }

  async #start(
    containerId: ContainerId,
    runtime: RuntimeName,
    memoryMiB: number,
    slot: number,
    cgroup: Cgroup,
  ): Promise<ContainerHandle> {
    const uidBase = this.#config.uidBase + slot * UIDS_PER_CONTAINER;
    const hostUid = hostUidOf(uidBase);
    const loopback = loopbackOf(slot);
    const bundleDir = this.#mounts.open(containerId, TMP_SIZE_MIB, loopback);
    cgroup.create();
    cgroup.setLimits({ memoryMiB, pidsMax: PIDS_MAX });
    writeFileSync(join(bundleDir, "config.json"), this.#bundleConfig(containerId, runtime, cgroup.path, uidBase));
    const output = openOutput(join(bundleDir, "output"), hostUid);
    const [channelFd, containerChannelFd] = socketPair();
    const openFds = [output.readFd, channelFd];
    try {
      const fds = { outputFd: output.writeFd, channelFd: containerChannelFd };
      const pid = await this.#ociRuntime.start({ containerId, bundleDir, ...fds });
      const container: SandboxContainer = new SandboxContainer({
        containerId,
        pid,
        channelFd,
        outputFd: output.readFd,
        hostUid,
        loopback,
        cgroup,
        mounts: this.#mounts,
        memoryMiB,
        tmpSizeMiB: TMP_SIZE_MIB,
        cpuMilliMax: this.#shape.cpuMilli,
        watch: this.#watch,
        roomMiB: () => this.#roomMiB(),
        onTrouble: (what, cause) => this.#log("warn", what, { containerId, reason: reasonOf(cause) }),
        startExtensions: (names, environment) =>
          this.#startExtensions({ containerId, uidBase, hostUid }, names, environment),
        onDestroyed: () => {
          this.#containers.delete(container);
          this.#giveBack(slot, cgroup);
        },
      });
      this.#containers.add(container);
      openFds.length = 0; // They are the container's now.
      return container;
    } finally {
      for (const fd of [output.writeFd, containerChannelFd, ...openFds]) closeSync(fd);
    }
  }

  async #startExtensions(
    { containerId, uidBase, hostUid }: { containerId: ContainerId; uidBase: number; hostUid: number },
    names: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<ExtensionProcesses> {
    const directory = this.#mounts.containerDir(containerId);
    const command = ["/bin/sh", "-c", START_EXTENSIONS, "extensions", `${CONTAINER_PATHS.opt}/extensions`, ...names];
    const { userNamespace } = this.#config;
    const output = openOutput(join(directory, "extensions-output"), hostUid);
    const [endsFd, containerEndsFd] = socketPair();
    const openFds = [output.readFd, endsFd];
    try {
      const fds = { outputFd: output.writeFd, channelFd: containerEndsFd };
      const process = ociProcess({ command, environment, uidBase, userNamespace });
      const started = { containerId, process, directory, ...fds };
      const pid = await this.#starts.run(() => this.#ociRuntime.startProgram(started));
      openFds.length = 0; // They are the streams' now.
      return {
        pid,
        output: new Socket({ fd: output.readFd, readable: true, writable: false }),
        ends: new Socket({ fd: endsFd, readable: true, writable: false }),
      };
    } finally {
      for (const fd of [output.writeFd, containerEndsFd, ...openFds]) closeSync(fd);
    }
  }

  #bundleConfig(containerId: ContainerId, runtime: RuntimeName, cgroupPath: string, uidBase: number): string {
    const interpreter = isPythonRuntime(runtime) ? CONTAINER_PATHS.pythonHome : CONTAINER_PATHS.node;
    const { command, args, env } = runtimeCommand(runtime, interpreter, CONTAINER_PATHS.runtimes);
    return JSON.stringify(
      ociConfig({
        rootDir: this.#mounts.baseDir,
        command: withInit([command, ...args]),
        environment: { ...env, LD_LIBRARY_PATH: libraryPath(CONTAINER_PATHS.task, CONTAINER_PATHS.opt) },
        binds: this.#mounts.binds(containerId, runtime),
        cgroupPath,
        uidBase,
        userNamespace: this.#config.userNamespace,
      }),
    );
  }

  #giveBack(slot: number, cgroup: Cgroup): void {
    this.#covered.forget(cgroup.path);
    this.#slots.delete(slot);
  }

  #takeSlot(): number {
    for (let slot = 0; slot < CONTAINERS_PER_INSTANCE_MAX; slot += 1) {
      if (this.#slots.has(slot)) continue;
      this.#slots.add(slot);
      return slot;
    }
    throw new Error(`an instance holds at most ${CONTAINERS_PER_INSTANCE_MAX} containers`);
  }
}

/**
 * All containers of an instance share its network, so each has a loopback address of its own: servers that listen at
 * `sandbox.localdomain` do not meet.
 */
function loopbackOf(slot: number): string {
  return `127.0.${1 + (slot >> 8)}.${slot & 0xff}`;
}

/**
 * A real pipe, which a shell's `>/dev/stderr` can open again (it cannot open a socket). It ends
 * when the last process that writes to it ends. The name is gone as soon as both ends are open.
 */
function openOutput(path: string, hostUid: number): { readFd: number; writeFd: number } {
  makeFifo(path, 0o600);
  try {
    chownSync(path, hostUid, hostUid);
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { readFd, writeFd: openSync(path, constants.O_WRONLY) };
  } finally {
    rmSync(path);
  }
}
