import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

const COMMAND_TIMEOUT_MS = 10_000;
const COMMAND_OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Runs a program of the host and gives back what it wrote on standard output.
 *
 * @throws Error with the program's name, how it ended and what it wrote on standard error.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_BYTES_MAX };
    const child = execFile(command, args, { ...limits, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args[0] ?? ""}: ${stderr.trim() || error.message}`, { cause: error }));
    });
    child.stdin?.on("error", () => {}); // It ended without reading its input; its exit says why.
    child.stdin?.end(options.input ?? "");
  });
}

/** Where a system program is; `sbin` folders are often missing in the path of a service. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @returns the first of the programs that this host has, as a path. */
export async function findProgram(...names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of SYSTEM_PATH.split(delimiter)) {
      const path = join(folder, name);
      if (await isExecutable(path)) return path;
    }
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
