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
  /** Whether containers reach anything beyond their instance. */
  readonly network: boolean;
  /** Node that runs the agent; needs node:ffi. */
  readonly nodePath: string;
  readonly log: Pick<Log, "info" | "warn">;
  /** Names of OCI runtimes, the preferred first. */
  readonly ociRuntimes?: readonly string[];
};
