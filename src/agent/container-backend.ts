import type { Duplex, Readable } from "node:stream";
import type { ContainerId } from "../model/ids.ts";
import type { RuntimeName } from "../model/runtime.ts";

/** How the first process of a container ended. */
export type ContainerExit = {
  readonly status: number | undefined;
  /** `SIGKILL` and so on. undefined: it exited by itself. */
  readonly signal: string | undefined;
  /** The kernel killed something in the container because its memory limit was reached. */
  readonly isOutOfMemory: boolean;
};

/** What of the container's size and code is decided when it stops being blank. */
export type ContainerAssignment = {
  readonly codeDir: string;
  readonly memoryMiB: number;
  /** Takes effect with `limitCpu`. */
  readonly cpuMilli: number;
  readonly ephemeralStorageMiB: number;
};

export type ContainerUsage = {
  readonly cpuUs: number | undefined;
  readonly memoryPeakBytes: number | undefined;
};

/** The external extensions of one container, once their processes are started. */
export type ExtensionProcesses = {
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
  /** Where the container may write, its private temporary folder, as it sees it. */
  readonly tmpDir: string;
  /** The address at which the agent reaches servers in the container: what `sandbox.localdomain` means there. */
  readonly loopback: string;
  /** Host uid of the container's processes; tells whose connection to the Runtime API it is. undefined: not its own. */
  readonly hostUid: number | undefined;

  /** Gives the container its code, limits and /tmp size. Once. @throws Error naming what failed. */
  assign(assignment: ContainerAssignment): void;
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
  /** Containers are gone by then. */
  close(): Promise<void>;
};
