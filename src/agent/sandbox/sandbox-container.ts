import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Cgroup, CgroupMeter } from "../../host/cgroup.ts";
import { type ProcessEnd, waitForChild } from "../../host/child-wait.ts";
import type {
  ContainerAssignment,
  ContainerExit,
  ContainerHandle,
  ContainerUsage,
  ExtensionProcesses,
} from "../container-backend.ts";
import { HOLD_SIGNAL, heldEnd, runtimeEnd } from "./container-init.ts";
import { CONTAINER_PATHS, type InstanceMounts } from "./instance-mounts.ts";

/** Between the end of the channel and the kernel's word that the process is gone; a process that goes on is killed then. */
const EXIT_GRACE_MS = 100;
/** The same where its init goes on under another name, which it must first take. */
const HELD_GRACE_MS = 1000;
/** A kill takes effect at once, save for one that waits for a disk. */
const KILL_TIMEOUT_MS = 10_000;
const POLL_MS = 2;

export type ContainerParts = {
  readonly containerId: string;
  readonly pid: number;
  readonly channelFd: number;
  readonly outputFd: number;
  readonly hostUid: number;
  readonly loopback: string;
  readonly cgroup: Cgroup;
  readonly mounts: InstanceMounts;
  /** Size of the /tmp that it was made with. */
  readonly tmpSizeMiB: number;
  /** The instance's share: the kernel refuses a group more than the group above it has. */
  readonly cpuMilliMax: number;
  /** Starts its extensions, as processes of the container. */
  startExtensions(names: readonly string[], environment: Readonly<Record<string, string>>): Promise<ExtensionProcesses>;
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
  readonly tmpDir = CONTAINER_PATHS.tmp;
  readonly loopback: string;
  readonly hostUid: number;

  readonly #parts: ContainerParts;
  readonly #meter: CgroupMeter;
  /** Its share, once it is assigned. */
  #cpuMilli: number | undefined;
  #extensions: ExtensionProcesses | undefined;
  /** Its init is no process of ours any more. */
  #isCollected = false;
  #destroyed: Promise<void> | undefined;

  constructor(parts: ContainerParts) {
    this.#parts = parts;
    this.#meter = parts.cgroup.openMeter();
    this.hostUid = parts.hostUid;
    this.loopback = parts.loopback;
    this.optDir = parts.mounts.optDir;
    this.channelFd = parts.channelFd;
    this.channel = new Socket({ fd: parts.channelFd, readable: true, writable: true });
    this.output = new Socket({ fd: parts.outputFd, readable: true, writable: false });
    for (const stream of [this.channel, this.output]) stream.on("error", () => {}); // The end that follows is what counts.
    this.exited = new Promise<void>((resolve) => this.channel.once("close", resolve)).then(() => this.#collect());
  }

  assign({ codeDir, memoryMiB, cpuMilli, ephemeralStorageMiB }: ContainerAssignment): void {
    const { mounts, containerId, cgroup, tmpSizeMiB, cpuMilliMax } = this.#parts;
    if (ephemeralStorageMiB !== tmpSizeMiB) mounts.resizeTmp(containerId, ephemeralStorageMiB);
    mounts.showCode(containerId, codeDir);
    cgroup.setLimits({ memoryMiB });
    this.#cpuMilli = Math.min(cpuMilli, cpuMilliMax);
  }

  limitCpu(): void {
    if (this.#cpuMilli !== undefined) this.#parts.cgroup.setLimits({ cpuMilli: this.#cpuMilli });
  }

  async startExtensions(
    names: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<ExtensionProcesses> {
    process.kill(this.#parts.pid, HOLD_SIGNAL);
    this.#extensions = await this.#parts.startExtensions(names, environment);
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
  }

  thaw(): void {
    this.#meter.thaw();
  }

  beginUsage(): void {
    this.#meter.beginUsage();
  }

  readUsage(): ContainerUsage {
    return this.#meter.readUsage();
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  async #destroy(): Promise<void> {
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
    return { ...runtimeEnd(end), isOutOfMemory: this.#meter.oomKills() > 0 };
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

  #collected(): ProcessEnd | undefined {
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
