import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dataIdOf, mountDirOf } from "../../../src/provider/sandbox/data-id.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";

/** Everything on this machine that belongs to the server of a data directory: processes, groups, mounts and so on. */
export function leftoversOf(dataDir: string): string[] {
  if (process.platform !== "linux") return [];
  const dataId = dataIdOf(dataDir);
  return [
    ...processesOf(dataDir, dataId),
    ...cgroupsOf(dataId),
    ...linesOf("/proc/self/mounts", (line) => line.includes(`${dataDir}/`) || line.includes(mountDirOf(dataId))),
    ...(existsSync(mountDirOf(dataId)) ? [mountDirOf(dataId)] : []),
    ...namesIn("/sys/class/net").filter((name) => name.startsWith(`h${dataId}-`)),
    ...firewallTables().filter((table) => table.includes(dataId)),
    ...loopDevicesOf(dataDir),
  ];
}

/** By their command line or their control group; the kernel's own threads have neither. */
function processesOf(dataDir: string, dataId: string): string[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const commandLine = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
      const isOurs = commandLine.includes(`${dataDir}/`) || read(`/proc/${pid}/cgroup`).includes(`hearth-${dataId}`);
      return isOurs ? [`process ${pid}: ${commandLine}`] : [];
    });
}

/** In version 1 each controller has a tree of its own. */
function cgroupsOf(dataId: string): string[] {
  const roots = [CGROUP_ROOT, ...namesIn(CGROUP_ROOT).map((name) => join(CGROUP_ROOT, name))];
  const names = [`hearth-${dataId}`, `hearth-trial-${dataId}`];
  return roots.flatMap((root) => names.map((name) => join(root, name))).filter((path) => existsSync(path));
}

function firewallTables(): string[] {
  try {
    return execFileSync("nft", ["list", "tables"], { encoding: "utf8", stdio: "pipe" }).split("\n");
  } catch {
    return []; // Without nft, or the right to ask it, no table was made.
  }
}

function loopDevicesOf(dataDir: string): string[] {
  return namesIn("/sys/block")
    .filter((name) => read(`/sys/block/${name}/loop/backing_file`).includes(`${dataDir}/`))
    .map((name) => `/dev/${name}`);
}

function linesOf(path: string, isOurs: (line: string) => boolean): string[] {
  return read(path).split("\n").filter(isOurs);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Empty for what vanished while we looked. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
