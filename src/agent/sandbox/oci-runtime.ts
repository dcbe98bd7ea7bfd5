import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SYSTEM_PATH } from "../../host/command.ts";

const START_TIMEOUT_MS = 20_000;

export type ContainerStart = {
  readonly containerId: string;
  /** Folder with config.json; the runtime's log and the process id are written there too. */
  readonly bundleDir: string;
  /** Becomes standard output and error. */
  readonly outputFd: number;
  /** Becomes file descriptor 3. */
  readonly channelFd: number;
};

/** runc or crun, called the same way. */
export class OciRuntime {
  readonly #path: string;
  readonly #stateDir: string;

  constructor(path: string, stateDir: string) {
    this.#path = path;
    this.#stateDir = stateDir;
  }

  /**
   * @returns process id of the container's first process, by then a child of the nearest init.
   * @throws Error with what the runtime said.
   */
  async start({ containerId, bundleDir, outputFd, channelFd }: ContainerStart): Promise<number> {
    const log = join(bundleDir, "runtime.log");
    const pidFile = join(bundleDir, "pid");
    const args = ["--root", this.#stateDir, "--log", log];
    args.push("run", "--detach", "--preserve-fds", "1", "--bundle", bundleDir, "--pid-file", pidFile, containerId);
    const child = spawn(this.#path, args, {
      stdio: ["ignore", outputFd, outputFd, channelFd],
      env: { PATH: SYSTEM_PATH },
      timeout: START_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const { promise: ended, resolve, reject } = Promise.withResolvers<string | undefined>();
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve(status === 0 ? undefined : (signal ?? `exit status ${status}`)));
    const failure = await ended;
    if (failure !== undefined) throw new Error(`${this.#path}: ${failure}: ${(await textOf(log)).trim()}`);
    return Number(await textOf(pidFile));
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return ""; // It did not come as far as writing it.
  }
}
