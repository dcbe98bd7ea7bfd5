import type { Duplex, Readable } from "node:stream";
import type { ContainerId } from "../model/ids.ts";
import type { Usage } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";

/** How the first process of a container ended. */
export type ContainerExit = {
  readonly status: number | undefined;
  /** `SIGKILL` and so on. undefined: it exited by itself. */
  readonly signal: string | undefined;
  /** The kernel killed something in the container because its memory limit was reached. */
  readonly isOutOfMemory: boolean;
  /** The kernel killed something in it below its limit: the instance, or its host, was out of memory. */
  readonly isCrowdedOut: boolean;
};

/** Of the memory that the containers of an instance hold together, file cache apart. */
export type PressureBounds = { readonly atMiB: number; readonly clearMiB: number };

export type PressureReport = {
  readonly memoryUsedMiB: number;
  /** Part of the last ten seconds in which something waited for memory. undefined: cannot tell. */
  readonly memoryStallShare: number | undefined;
};

/** What of the container's size and code is decided when it stops being blank. */
export type ContainerAssignment = {
  readonly codeDir: string;
  /** undefined: no layers. */
  readonly layers?: { readonly dir: string } | undefined;
  readonly memoryMiB: number;
  /** So far the limit may be raised, before the kernel would kill. undefined: not at all. */
  readonly rescueMemoryMiB?: number | undefined;
  /** Takes effect with `limitCpu`. */
  readonly cpuMilli: number;
  readonly ephemeralStorageMiB: number;
};

/** Of an execution, with the limits that it ended under. */
export type ContainerUsage = Omit<Usage, "wallUs" | "initUs">;

/** The external extensions of one container, once their processes are started. */
export type ExtensionProcesses = {
  /** Of the first of them, where that is a child of the agent which nobody else collects; undefined: it is not. */
  readonly pid?: number | undefined;
  /** What they write to standard output and error, together. */
  readonly output: Readable;
  /** Lines of `STATUS NAME`, one when a process has ended; a signal's status is 128 and its number. */
  readonly ends: Readable;
};

/** One container of an instance. The methods that lie on the invocation path are synchronous. */
export type ContainerHandle = {
  /** File descriptor 3 of the container's first process. Ends when the container's processes are gone. */
  readonly channel: Duplex;
  /** The descriptor of `channel`, for writing short frames without a stream's cost. undefined: not known. */
  readonly channelFd: number | undefined;
  /** Standard output and error of the container, together. */
  readonly output: Readable;
  /** Resolves once, when the runtime's process has ended. Rejects when it does not end although it was killed. */
  readonly exited: Promise<ContainerExit>;
  /** Where the container sees the code after `assign`: `/var/task`, or the folder itself without isolation. */
  readonly taskRoot: string;
  /** What the container sees as /opt once it is assigned, as the agent sees it. */
  readonly optDir: string;
  /** Where it sees the layers after `assign`: `/opt`, or a folder of its own without isolation. */
  readonly optRoot: string;
  /** Where the container may write, its private temporary folder, as it sees it. */
  readonly tmpDir: string;
  /** The address at which the agent reaches servers in the container: what `sandbox.localdomain` means there. */
  readonly loopback: string;
  /** Host uid of the container's processes; tells whose connection to the Runtime API it is. undefined: not its own. */
  readonly hostUid: number | undefined;

  /** The runtime's process says that it runs. Once, before `assign`. */
  started(): void;
  /**
   * Gives the container its code, limits and /tmp size. Once.
   * @param onResized its memory limit was raised, in a later turn.
   * @throws Error naming what failed.
   */
  assign(assignment: ContainerAssignment, onResized: (memoryMiB: number) => void): void;
  /** Holds the container to its share of CPU from now on; while it initialised it could use the whole instance's. */
  limitCpu(): void;
  /**
   * Starts programs of /opt/extensions beside the runtime; what ends the runtime does not end them. Once, after `assign`.
   * @throws Error when none could be started.
   */
  startExtensions(names: readonly string[], environment: Readonly<Record<string, string>>): Promise<ExtensionProcesses>;
  /** To the runtime's process alone; nothing happens when it has ended. */
  signalRuntime(signal: "SIGTERM" | "SIGKILL"): void;
  /** Takes all CPU from the container until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Starts counting CPU and the memory peak anew. */
  beginUsage(): void;
  readUsage(): ContainerUsage;
  /**
   * Kills everything in the container and frees what it held; resolves when nothing is left. Idempotent.
   * @throws Error when something of it does not end; what that still uses is not given to another container.
   */
  destroy(): Promise<void>;
};

/** Makes containers. One per agent. */
export type ContainerBackend = {
  /**
   * Starts a blank container: the runtime's process runs, nothing is assigned.
   * @param memoryMiB limit while blank.
   * @throws Error naming what failed.
   */
  create(containerId: ContainerId, runtime: RuntimeName, memoryMiB: number): Promise<ContainerHandle>;
  /**
   * Tells when the containers together hold `atMiB`, when they hold still more, and when they hold less than `clearMiB` again.
   * Replaces what was asked before. @param bounds undefined: it is not told.
   */
  watchPressure(bounds: PressureBounds | undefined, onReport: (report: PressureReport) => void): void;
  /** Containers are gone by then. */
  close(): Promise<void>;
};
