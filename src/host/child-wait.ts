import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { libc } from "./libc.ts";

const WNOHANG = 1;

/** How a process ended: with a status, or by a signal. */
export type ProcessEnd = { readonly status: number | undefined; readonly signal: string | undefined };

/**
 * Collects a child that libuv does not know (one that was re-parented to this process).
 *
 * @returns undefined while it runs; `{undefined, undefined}` if there is no such child.
 */
export function waitForChild(pid: number): ProcessEnd | undefined {
  const status = Buffer.alloc(4);
  const result = libc().waitpid(pid, status, WNOHANG);
  if (result === 0) return undefined;
  if (result < 0) return { status: undefined, signal: undefined };
  return decodeStatus(status.readInt32LE(0));
}

export function decodeStatus(status: number): ProcessEnd {
  const signal = status & 0x7f;
  return signal === 0
    ? { status: (status >> 8) & 0xff, signal: undefined }
    : { status: undefined, signal: signalName(signal) };
}

/** Dead children of this process that nobody has collected so far; libuv may be about to collect its own. */
export function uncollectedChildren(): number[] {
  const isZombieOfOurs = (pid: string) => {
    try {
      const [state, parent] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return state === "Z" && parent === String(process.pid);
    } catch {
      return false; // It is gone: somebody collected it.
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isZombieOfOurs(name))
    .map(Number);
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}
