import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Tells one process from a later one with the same id. */
export type ProcessIdentity = {
  readonly pid: number;
  /** Which boot of the host, and when in it, in the host's own words; only equality means anything. */
  readonly bootId: string;
  readonly startedAt: string;
};

/** Field 22 of /proc/PID/stat, counted from the one after the command's name, which may contain anything. */
const START_TICKS_INDEX = 19;

/** @returns undefined when no such process exists. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startedAt = readStart(pid);
  return startedAt === undefined ? undefined : { pid, bootId: readBootId(), startedAt };
}

/** Whether that very process runs; what is left of one that ended, until its parent asks how, does not count. */
export function isAlive({ pid, bootId, startedAt }: ProcessIdentity): boolean {
  return readStart(pid) === startedAt && readBootId() === bootId && !isZombie(pid);
}

/**
 * Kills the process and its group, also what the group's first process left behind; but nothing
 * when the id belongs to a later process. Idempotent.
 */
export function killGroup({ pid, bootId, startedAt }: ProcessIdentity): void {
  const current = readStart(pid);
  if (readBootId() !== bootId || (current !== undefined && current !== startedAt)) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function readStart(pid: number): string | undefined {
  return process.platform === "linux" ? readStat(pid)?.[START_TICKS_INDEX] : readPs(pid, "lstart=");
}

function isZombie(pid: number): boolean {
  const state = process.platform === "linux" ? readStat(pid)?.[0] : readPs(pid, "state=");
  return state?.startsWith("Z") ?? false;
}

/** Fields of /proc/PID/stat from the process's state on. */
function readStat(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // It is gone.
  }
}

function readPs(pid: number, format: string): string | undefined {
  try {
    return outputOf("ps", "-o", format, "-p", String(pid)) || undefined;
  } catch {
    return undefined; // It is gone.
  }
}

let knownBootId: string | undefined;

function readBootId(): string {
  knownBootId ??=
    process.platform === "linux"
      ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
      : outputOf("sysctl", "-n", "kern.bootsessionuuid");
  return knownBootId;
}

function outputOf(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" }).trim();
}
