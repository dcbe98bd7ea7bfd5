import { constants } from "node:os";
import type { ProcessEnd } from "../../host/child-wait.ts";

/**
 * The first process of a container, in front of the runtime. The kernel drops the signals that a
 * PID namespace's first process sends to itself, so a runtime in that place could not abort or kill
 * itself; and nobody would collect the orphans that a function leaves. It gives up file descriptor 3:
 * that one ends with the runtime.
 */
const INIT_SCRIPT = '"$@" & exec 3<&-; wait $!';

/** What a shell adds to a signal's number to make an exit status of it (POSIX, "wait"). */
const SIGNAL_STATUS_BASE = 128;

export function withInit(command: readonly string[]): string[] {
  return ["/bin/sh", "-c", INIT_SCRIPT, "init", ...command];
}

/** How the runtime ended, from how its init did. A runtime that exits with 128 + a signal's number looks like one killed by it. */
export function runtimeEnd(end: ProcessEnd): ProcessEnd {
  if (end.status === undefined || end.status <= SIGNAL_STATUS_BASE) return end;
  const number = end.status - SIGNAL_STATUS_BASE;
  const signal = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return signal === undefined ? end : { status: undefined, signal };
}
