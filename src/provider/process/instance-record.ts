import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProcessIdentity } from "../../host/process-identity.ts";
import type { InstanceId } from "../../model/ids.ts";

const SUFFIX = ".json";
/** Written by the agent's process backend beside each container's files: its runtime's process, and its extensions'. */
const CONTAINER_IDENTITY_FILES = ["process.json", "extensions.json"];

/**
 * What the provider knows of its instances beyond its own life: one file per instance, with the
 * identity of its agent, and a folder of the same name for the agent's files.
 */
export class InstanceRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  workDirOf(instanceId: InstanceId): string {
    return join(this.#directory, instanceId);
  }

  list(): InstanceId[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length) as InstanceId);
  }

  /** Whole or not at all: the server may be killed at any moment. */
  write(instanceId: InstanceId, agent: ProcessIdentity): void {
    const draft = `${this.#fileOf(instanceId)}.draft`;
    writeFileSync(draft, JSON.stringify(agent));
    renameSync(draft, this.#fileOf(instanceId));
  }

  agentOf(instanceId: InstanceId): ProcessIdentity | undefined {
    return readIdentity(this.#fileOf(instanceId));
  }

  /** Processes of the instance's containers that lead a group, also some that ended. */
  containersOf(instanceId: InstanceId): ProcessIdentity[] {
    const workDir = this.workDirOf(instanceId);
    return foldersIn(workDir)
      .flatMap((name) => CONTAINER_IDENTITY_FILES.map((file) => readIdentity(join(workDir, name, file))))
      .filter((identity) => identity !== undefined);
  }

  /** Removes the instance's files. Its processes are dead by then. */
  remove(instanceId: InstanceId): void {
    rmSync(this.workDirOf(instanceId), { recursive: true, force: true, maxRetries: 3 });
    rmSync(this.#fileOf(instanceId), { force: true });
  }

  #fileOf(instanceId: InstanceId): string {
    return join(this.#directory, `${instanceId}${SUFFIX}`);
  }
}

function foldersIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // Nothing was made in it.
  }
}

function readIdentity(path: string): ProcessIdentity | undefined {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity | null) ?? undefined;
  } catch {
    return undefined; // Not there: it was never written, or was removed together with what it named.
  }
}
