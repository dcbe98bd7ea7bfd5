import { readdirSync, readFileSync } from "node:fs";
import { dataIdOf } from "../../../src/provider/sandbox/data-id.ts";

export type ProcessEntry = { readonly pid: number; readonly args: readonly string[]; readonly cgroup: string };

/** All processes of this machine that fit, as they are now. */
export function findProcesses(fits: (entry: ProcessEntry) => boolean): ProcessEntry[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      const entry = { pid: Number(name), args, cgroup: readFileSync(`/proc/${name}/cgroup`, "utf8") };
      return fits(entry) ? [entry] : [];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

/** Agents of the provider `process` on this data directory. */
export function agentsOf(dataDir: string): number[] {
  const isAgent = ({ args: [, script = ""] }: ProcessEntry) =>
    script.startsWith(`${dataDir}/images/`) && script.includes("agent");
  return findProcesses(isAgent).map(({ pid }) => pid);
}

/** Everything in the sandboxes of this data directory but their agents: what runs in containers. */
export function containerProcessesOf(dataDir: string): number[] {
  const group = `hearth-${dataIdOf(dataDir)}`;
  const isContained = ({ cgroup, args }: ProcessEntry) =>
    cgroup.includes(group) && args[0] !== "" && !args.some((arg) => /\bagent\b/.test(arg));
  return findProcesses(isContained).map(({ pid }) => pid);
}

/** @returns whether it was there. */
export function killNow(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

/** Whether the process is there, stopped or not; one that has ended and is not yet waited for is not. */
export function isThere(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
