import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
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

export type ProgramStart = Omit<ContainerStart, "bundleDir"> & {
  /** What the process is, as `ociProcess` says it. */
  readonly process: object;
  /** Where that and the runtime's log are written. */
  readonly directory: string;
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
    const args = ["run", "--detach", "--preserve-fds", "1", "--bundle", bundleDir, "--pid-file", pidFile, containerId];
    await this.#call(args, log, outputFd, channelFd);
    return Number(await textOf(pidFile));
  }

  /**
   * Starts one more process in a container, which holds it to all that confines the container.
   *
   * @returns its process id, of a child of this process by now: whoever started it is gone.
   * @throws Error with what the runtime said.
   */
  async startProgram({ containerId, process, directory, outputFd, channelFd }: ProgramStart): Promise<number> {
    const spec = join(directory, "program.json");
    const pidFile = join(directory, "program.pid");
    await writeFile(spec, JSON.stringify(process));
    const args = ["exec", "--detach", "--preserve-fds", "1", "--pid-file", pidFile, "--process", spec, containerId];
    await this.#call(args, join(directory, "program.log"), outputFd, channelFd);
    return Number(await readFile(pidFile, "utf8"));
  }

  async #call(command: readonly string[], log: string, outputFd: number, channelFd: number): Promise<void> {
    const args = ["--root", this.#stateDir, "--log", log, ...command];
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
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return ""; // It did not come as far as writing it.
  }
}
