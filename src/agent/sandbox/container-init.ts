import { constants } from "node:os";
import type { ProcessEnd } from "../../host/child-wait.ts";

/** In the name of an init that outlives its runtime; the runtime's exit status follows. */
const HELD = "held";

/**
 * The first process of a container, in front of the runtime. The kernel drops the signals that a
 * PID namespace's first process sends to itself, so a runtime in that place could not abort or kill
 * itself; and nobody would collect the orphans that a function leaves. It gives up file descriptor 3:
 * that one ends with the runtime. What the shell itself has to say of a runtime that was ended is not the function's output.
 *
 * It ends with its runtime, and everything in the container with it: unless it was sent `HOLD_SIGNAL`. It then goes on,
 * for extensions that are still to be told of the end, under a name that says how the runtime ended.
 */
const INIT_SCRIPT = `trap hold=1 USR1; "$@" & runtime=$!; exec 3<&- 2>/dev/null
while :; do wait $runtime; status=$?; kill -0 $runtime 2>/dev/null || break; done
[ -z "$hold" ] && exit $status
exec /bin/sh -c 'while :; do sleep 3600; done' ${HELD} $status`;

export const HOLD_SIGNAL = "SIGUSR1";

/** What a shell adds to a signal's number to make an exit status of it (POSIX, "wait"). */
const SIGNAL_STATUS_BASE = 128;

export function withInit(command: readonly string[]): string[] {
  return ["/bin/sh", "-c", INIT_SCRIPT, "init", ...command];
}

/** @param commandLine of a container's init, its words ended by NUL. @returns how its runtime ended; undefined: it still waits for it. */
export function heldEnd(commandLine: string): ProcessEnd | undefined {
  const words = commandLine.split("\0");
  const status = words.at(-2);
  return words.at(-3) === HELD && status !== undefined ? { status: Number(status), signal: undefined } : undefined;
}

/** How the runtime ended, from how its init did. A runtime that exits with 128 + a signal's number looks like one killed by it. */
export function runtimeEnd(end: ProcessEnd): ProcessEnd {
  if (end.status === undefined || end.status <= SIGNAL_STATUS_BASE) return end;
  const number = end.status - SIGNAL_STATUS_BASE;
  const signal = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return signal === undefined ? end : { status: undefined, signal };
}
