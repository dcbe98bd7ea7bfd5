import type { ContainerExit } from "./container-backend.ts";

/** Signal names as Go prints them, which is what Lambda's messages show. */
const SIGNAL_WORDS: Readonly<Record<string, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGPIPE: "broken pipe",
  SIGTERM: "terminated",
};

/** `exit status 1`, `signal: killed`; undefined for status 0, of which Lambda says that no reason was given. */
export function exitText(exit: Pick<ContainerExit, "status" | "signal">): string | undefined {
  if (exit.signal !== undefined) return `signal: ${SIGNAL_WORDS[exit.signal] ?? exit.signal}`;
  return exit.status === undefined || exit.status === 0 ? undefined : `exit status ${exit.status}`;
}
