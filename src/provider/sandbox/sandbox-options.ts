import type { Shape } from "../../model/instance.ts";
import type { RuntimeName } from "../../model/runtime.ts";
import type { Log } from "../../ports/log.ts";

export type SandboxOptions = {
  readonly dataDir: string;
  /** Base images are kept here; shared between starts. */
  readonly imagesDir: string;
  /** The agent as one file that Node runs. */
  readonly agentBundlePath: string;
  /** Folder with the bundled runtimes. */
  readonly runtimesDir: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Home folders of Python interpreters; none by default. */
  readonly pythonHomes?: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Whether containers reach anything beyond their instance. */
  readonly network: boolean;
  /** Node that runs the agent; needs node:ffi. */
  readonly nodePath: string;
  readonly log: Pick<Log, "info" | "warn">;
  /** Names of OCI runtimes, the preferred first. */
  readonly ociRuntimes?: readonly string[];
  /** What all instances together may take, at any moment; by default what the host has to spare at the start, less some. */
  readonly capacity?: () => Shape;
  /** Part (0 to 1) of the memory to spare at the start that instances may take, without `capacity`; 0.8 by default. */
  readonly memoryShare?: number;
  /** Data directories of sandboxes that give way to these: what they use at the start counts as free. */
  readonly yieldingDirs?: readonly string[];
  /** Memory that is promised for each MiB there is. Above 1 the host may run out of it; 1 by default. */
  readonly overcommit?: number;
  /** Share of contended processors that all instances together have, see `CgroupLimits`; by default as anybody else. */
  readonly cpuWeight?: number;
};
