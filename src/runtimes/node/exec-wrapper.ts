import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { RuntimeOrder } from "../../protocol/runtime-protocol.ts";

type Init = Extract<RuntimeOrder, { kind: "init" }>;

const AGENT_FD = 3;
/** Tells the runtime that a wrapper starts that it need not wait for its function, and the memory that it has. */
const WRAPPED = "HEARTH_WRAPPED";
const REPORT_USAGE = "HEARTH_REPORT_USAGE";
/** As a shell says it. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_SIGNAL = 128;

/**
 * Runs the function's `AWS_LAMBDA_EXEC_WRAPPER` with the command line of this runtime, which it is to run, perhaps with other
 * options and variables. This process, which was there before the function was known, lives on to tell how that one ends.
 */
export function runWrapper(
  wrapper: string,
  { environment, taskRoot, memoryMiB }: Init,
  exit: (status: number) => void,
): void {
  const usage = process.env[REPORT_USAGE];
  const child = spawn(wrapper, [process.execPath, ...process.execArgv, __filename], {
    cwd: taskRoot,
    env: { ...environment, [WRAPPED]: String(memoryMiB), ...(usage === undefined ? {} : { [REPORT_USAGE]: usage }) },
    stdio: ["ignore", "inherit", "inherit", AGENT_FD],
  });
  child.on("error", (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === "ENOENT";
    process.stderr.write(`${wrapper}: ${isMissing ? "does not exist" : `is not an executable: ${error.code}`}\n`);
    exit(isMissing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
  });
  // What the agent says to the first process of a container is meant for the runtime.
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (status, signal) => exit(status ?? EXIT_SIGNAL + constants.signals[signal as NodeJS.Signals]));
}

/** @returns what a runtime started by a wrapper is to load: its environment says it, as the wrapper left it; else undefined. */
export function wrappedInit(): Init | undefined {
  const memoryMiB = Number(process.env[WRAPPED]);
  if (Number.isNaN(memoryMiB)) return undefined;
  const { [WRAPPED]: _wrapped, [REPORT_USAGE]: _usage, ...environment } = process.env as Record<string, string>;
  const { _HANDLER: handler = "", LAMBDA_TASK_ROOT: taskRoot = "/var/task" } = environment;
  return { kind: "init", environment, handler, taskRoot, memoryMiB };
}
