import { mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Folders of a hierarchy: a group is a folder, and its files cannot be removed. */

export function makeGroup(directory: string): void {
  mkdirSync(directory, { recursive: true });
}

/** @returns whether the group and all below are gone. */
export function removeGroup(directory: string): boolean {
  for (const child of childGroups(directory)) if (!removeGroup(join(directory, child))) return false;
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}

/** None if the group does not exist. */
export function childGroups(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Process ids in the group and all below. */
export function processIdsBelow(directory: string): number[] {
  const own = readIfThere(join(directory, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
  return [...own, ...childGroups(directory).flatMap((child) => processIdsBelow(join(directory, child)))];
}

/** Sends SIGKILL; whoever is gone already is no error. */
export function killProcesses(processIds: readonly number[]): void {
  for (const pid of processIds) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ENODEV: the group was removed while its file was read.
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
