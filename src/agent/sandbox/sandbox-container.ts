import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Cgroup, CgroupMeter } from "../../host/cgroup.ts";
import { type ProcessEnd, waitForChild } from "../../host/child-wait.ts";
import type { DescriptorWatch } from "../../host/descriptor-watch.ts";
import type {
  ContainerAssignment,
  ContainerExit,
  ContainerHandle,
  ContainerUsage,
  ExtensionProcesses,
} from "../container-backend.ts";
import { HOLD_SIGNAL, heldEnd, runtimeEnd } from "./container-init.ts";
import { CONTAINER_PATHS, type InstanceMounts } from "./instance-mounts.ts";
import { MemoryRescue } from "./memory-rescue.ts";
import { setOomPriority } from "./oom-priority.ts";

/** Between the end of the channel and the kernel's word that the process is gone; a process that goes on is killed then. */
const EXIT_GRACE_MS = 100;
/** The same where its init goes on under another name, which it must first take. */
const HELD_GRACE_MS = 1000;
/** A kill takes effect at once, save for one that waits for a disk. */
const KILL_TIMEOUT_MS = 10_000;
const POLL_MS = 2;
/** A process that was killed has given back its memory by then. */
const HASTE_MS = 2_000;

export type ContainerParts = {
  readonly containerId: string;
  readonly pid: number;
  readonly channelFd: number;
  readonly outputFd: number;
  readonly hostUid: number;
  readonly loopback: string;
  readonly cgroup: Cgroup;
  readonly mounts: InstanceMounts;
  /** Limit that it was made with. */
  readonly memoryMiB: number;
  /** Size of the /tmp that it was made with. */
  readonly tmpSizeMiB: number;
  /** The instance's share: the kernel refuses a group more than the group above it has. */
  readonly cpuMilliMax: number;
  /** Starts its extensions, as processes of the container. */
  startExtensions(names: readonly string[], environment: Readonly<Record<string, string>>): Promise<ExtensionProcesses>;
  readonly watch: DescriptorWatch;
  /** What the instance has left to raise limits with. */
  readonly roomMiB: () => number;
  /** What does not stop the container. */
  readonly onTrouble: (what: string, cause: unknown) => void;
  /** Its uids may serve another container. */
  readonly onDestroyed: () => void;
};

/** A container run by an OCI runtime: one control group, one process tree, one folder of mounts. */
export class SandboxContainer implements ContainerHandle {
  readonly channel: Duplex;
  readonly channelFd: number;
  readonly output: Readable;
  readonly exited: Promise<ContainerExit>;
  readonly taskRoot = CONTAINER_PATHS.task;
  readonly optDir: string;
  readonly optRoot = CONTAINER_PATHS.opt;
  readonly tmpDir = CONTAINER_PATHS.tmp;
  readonly loopback: string;
  readonly hostUid: number;

  readonly #parts: ContainerParts;
  readonly #meter: CgroupMeter;
  /** Its share, once it is assigned. */
  #cpuMilli: number | undefined;
  #extensions: ExtensionProcesses | undefined;
  #areExtensionsCollected = false;
  /** Its init is no process of ours any more. */
  #isCollected = false;
  /** What it is really held to. */
  #limits: { readonly memoryLimitMiB: number; readonly cpuMilli: number };
  #rescue: MemoryRescue | undefined;
  #isFrozen = false;
  /** Kills after which its end was hastened. */
  #killsSeen = 0;
  /** Since the last execution was reported. */
  #rescues = 0;
  #destroyed: Promise<void> | undefined;

  constructor(parts: ContainerParts) {
    this.#parts = parts;
    this.#meter = parts.cgroup.openMeter();
    this.#limits = { memoryLimitMiB: parts.memoryMiB, cpuMilli: parts.cpuMilliMax };
    this.hostUid = parts.hostUid;
    this.loopback = parts.loopback;
    this.optDir = parts.mounts.optDir(parts.containerId);
    this.channelFd = parts.channelFd;
    this.channel = new Socket({ fd: parts.channelFd, readable: true, writable: true });
    this.output = new Socket({ fd: parts.outputFd, readable: true, writable: false });
    for (const stream of [this.channel, this.output]) stream.on("error", () => {}); // The end that follows is what counts.
    this.exited = new Promise<void>((resolve) => this.channel.once("close", resolve)).then(() => this.#collect());
  }

  started(): void {
    this.#parts.mounts.started(this.#parts.containerId);
  }

  assign(assignment: ContainerAssignment, onResized: (memoryMiB: number) => void): void {
    const { codeDir, layers, memoryMiB, rescueMemoryMiB, cpuMilli, ephemeralStorageMiB } = assignment;
    const { mounts, containerId, cgroup, tmpSizeMiB, cpuMilliMax } = this.#parts;
    if (ephemeralStorageMiB !== tmpSizeMiB) mounts.resizeTmp(containerId, ephemeralStorageMiB);
    mounts.showCode(containerId, codeDir);
    const layersDir = layers?.dir ?? mounts.commonOptDir();
    if (layersDir !== undefined) mounts.showLayers(containerId, layersDir);
    cgroup.setLimits({ memoryMiB });
    this.#limits = { ...this.#limits, memoryLimitMiB: memoryMiB };
    this.#cpuMilli = Math.min(cpuMilli, cpuMilliMax);
    this.#beginWork();
    const ceilingMiB = rescueMemoryMiB ?? memoryMiB;
    // Not on the way of the call that waits for it.
    if (ceilingMiB > memoryMiB) setImmediate(() => this.#openRescue(memoryMiB, ceilingMiB, onResized));
  }

  limitCpu(): void {
    if (this.#cpuMilli === undefined) return;
    this.#parts.cgroup.setLimits({ cpuMilli: this.#cpuMilli });
    this.#limits = { ...this.#limits, cpuMilli: this.#cpuMilli };
  }

  async startExtensions(
    names: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<ExtensionProcesses> {
    process.kill(this.#parts.pid, HOLD_SIGNAL);
    this.#extensions = await this.#parts.startExtensions(names, environment);
    this.#beginWork();
    return this.#extensions;
  }

  signalRuntime(signal: "SIGTERM" | "SIGKILL"): void {
    const pid = this.#runtimePid();
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }

  /** The oldest child of the container's init; orphans that it adopts come after it. */
  #runtimePid(): number | undefined {
    const { pid } = this.#parts;
    if (this.#isCollected || heldEnd(commandLineOf(pid)) !== undefined) return undefined;
    const children = textOf(`/proc/${pid}/task/${pid}/children`);
    const first = Number.parseInt(children, 10);
    return Number.isNaN(first) ? undefined : first;
  }

  freeze(): void {
    this.#meter.freeze();
    this.#isFrozen = true;
    setOomPriority(this.#parts.cgroup, "waiting");
  }

  thaw(): void {
    this.#meter.thaw();
    this.#isFrozen = false;
    this.#beginWork();
  }

  /**
   * What the kernel killed must end soon: until its memory is free it goes on killing. It may be frozen, and its share of CPU may be
   * less than it takes to give back its memory.
   */
  hastenEnd(): void {
    const kills = this.#meter.oomKills();
    if (this.#destroyed !== undefined || kills === this.#killsSeen) return;
    this.#killsSeen = kills;
    this.#meter.thaw();
    this.#parts.cgroup.setLimits({ cpuMilli: this.#parts.cpuMilliMax });
    setTimeout(() => this.#endHaste(), HASTE_MS).unref();
  }

  /** What was killed was a process of the function's own, and the runtime goes on: it has its share again, and rests as before. */
  #endHaste(): void {
    if (this.#destroyed !== undefined || this.#runtimePid() === undefined) return;
    try {
      if (this.#limits.cpuMilli === this.#cpuMilli) this.limitCpu();
      if (this.#isFrozen) this.#meter.freeze();
    } catch (cause) {
      this.#parts.onTrouble("limits after a kill", cause);
    }
  }

  /** Not on the way of the call that waits for it. */
  #beginWork(): void {
    setImmediate(() => {
      if (!this.#isFrozen && this.#destroyed === undefined) setOomPriority(this.#parts.cgroup, "working");
    });
  }

  beginUsage(): void {
    this.#meter.beginUsage();
  }

  readUsage(): ContainerUsage {
    const rescues = this.#rescues;
    this.#rescues = 0;
    return { ...this.#meter.readUsage(this.#limits), ...this.#limits, rescues };
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  #openRescue(limitMiB: number, ceilingMiB: number, onResized: (memoryMiB: number) => void): void {
    if (this.#destroyed !== undefined) return;
    const { cgroup, watch, roomMiB, onTrouble } = this.#parts;
    const onRaised = (memoryLimitMiB: number) => {
      this.#limits = { ...this.#limits, memoryLimitMiB };
      this.#rescues += 1;
      onResized(memoryLimitMiB);
    };
    const onFailed = (cause: unknown) => onTrouble("memory rescue", cause);
    this.#rescue = new MemoryRescue({ cgroup, watch, limitMiB, ceilingMiB, roomMiB, onRaised, onTrouble: onFailed });
  }

  async #destroy(): Promise<void> {
    this.#rescue?.close();
    const { cgroup, mounts, containerId, onDestroyed } = this.#parts;
    cgroup.killAll();
    this.channel.destroy();
    try {
      await this.exited;
      if (!this.#isCollected) await this.#waitForEnd(KILL_TIMEOUT_MS);
      await removeEmptied(cgroup);
    } finally {
      this.#meter.close();
      this.output.destroy();
      this.#extensions?.ends.destroy();
    }
    mounts.close(containerId);
    onDestroyed();
  }

  /** The first process is a child of ours since the runtime that started it ended. */
  async #collect(): Promise<ContainerExit> {
    const end =
      (await this.#waitForRuntime(this.#extensions === undefined ? EXIT_GRACE_MS : HELD_GRACE_MS)) ??
      (await this.#killAndWait());
    const how = runtimeEnd(end);
    // Of a container whose runtime ended in another way the kernel had killed a process of the function's own, perhaps long ago.
    const wasKilled = how.signal === "SIGKILL" && this.#meter.oomKills() > 0;
    const isOutOfMemory = wasKilled && this.#meter.hasReachedLimit(this.#limits.memoryLimitMiB);
    return { ...how, isOutOfMemory, isCrowdedOut: wasKilled && !isOutOfMemory };
  }

  /** Its init ends with it, or says how it ended. */
  async #waitForRuntime(timeoutMs: number): Promise<ProcessEnd | undefined> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const end = this.#collected() ?? heldEnd(commandLineOf(this.#parts.pid));
      if (end !== undefined || performance.now() > deadlineMs) return end;
      await delay(POLL_MS);
    }
  }

  async #killAndWait(): Promise<ProcessEnd> {
    this.#parts.cgroup.killAll();
    const end = await this.#waitForEnd(KILL_TIMEOUT_MS);
    if (end === undefined) throw new Error(`container ${this.#parts.containerId} does not end after SIGKILL`);
    return end;
  }

  async #waitForEnd(timeoutMs: number): Promise<ProcessEnd | undefined> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const end = this.#collected();
      if (end !== undefined || performance.now() > deadlineMs) return end;
      await delay(POLL_MS);
    }
  }

  /** The first of their processes is a child of ours, like the init, which cannot end before that one is collected. */
  #collectExtensions(): void {
    const pid = this.#extensions?.pid;
    if (pid === undefined || this.#areExtensionsCollected) return;
    this.#areExtensionsCollected = waitForChild(pid) !== undefined;
  }

  #collected(): ProcessEnd | undefined {
    this.#collectExtensions();
    const end = waitForChild(this.#parts.pid);
    if (end !== undefined) this.#isCollected = true;
    return end;
  }
}

function commandLineOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The process is gone.
  }
}

/** A group can be removed a moment after the last process in it is gone. */
export async function removeEmptied(cgroup: Cgroup): Promise<void> {
  const deadlineMs = performance.now() + KILL_TIMEOUT_MS;
  while (!cgroup.remove()) {
    if (performance.now() > deadlineMs) throw new Error(`control group ${cgroup.path} stays busy`);
    cgroup.killAll();
    await delay(POLL_MS);
  }
}
