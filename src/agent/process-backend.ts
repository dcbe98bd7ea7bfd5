import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { identifyProcess } from "../host/process-identity.ts";
import { UNMEASURED } from "../model/invocation.ts";
import { isPythonRuntime, type RuntimeName } from "../model/runtime.ts";
import type { AgentConfig } from "../protocol/agent-config.ts";
import type {
  ContainerAssignment,
  ContainerBackend,
  ContainerExit,
  ContainerHandle,
  ContainerUsage,
  ExtensionProcesses,
} from "./container-backend.ts";
import { START_EXTENSIONS } from "./extensions/extension-processes.ts";
import { runtimeCommand } from "./runtime-command.ts";

/** In each container's folder: who its first process is, for the provider, should the agent die. */
const IDENTITY_FILE = "process.json";
/** The same of the process that its extensions are children of. */
const EXTENSIONS_IDENTITY_FILE = "extensions.json";
const CHANNEL_FD = 3;
/** Asks the managed runtime for figures that only it has here. */
const REPORT_USAGE = "HEARTH_REPORT_USAGE";
/** Without control groups only the runtime itself can tell what it used. */
const UNKNOWN_USAGE: ContainerUsage = UNMEASURED;
/** One pipe for both streams keeps what is written to them in order. */
const JOIN_OUTPUTS = ["-c", 'exec "$@" 2>&1', "sh"];

/**
 * Containers that are plain child processes: they run anywhere, and nothing separates them from
 * the host or from each other. No limit of the assignment is enforced.
 */
export function createProcessBackend(config: AgentConfig): ContainerBackend {
  const { workDir } = config.backend;
  return {
    async create(containerId, runtime) {
      const interpreter = interpreterOf(config, runtime);
      const directory = join(workDir, containerId);
      mkdirSync(join(directory, "tmp"), { recursive: true });
      const child = start(directory, runtime, interpreter, config.runtimesDir);
      const handle = new ProcessContainer(child, directory);
      await once(child, "spawn");
      recordIdentity(child, join(directory, IDENTITY_FILE));
      return handle;
    },
    /** Nothing counts what child processes hold. */
    watchPressure() {},
    async close() {
      await rm(workDir, { recursive: true, force: true });
    },
  };
}

function interpreterOf(config: AgentConfig, runtime: RuntimeName): string {
  if (runtime === "provided.al2023") return "";
  const path = isPythonRuntime(runtime) ? config.pythonHomes[runtime] : config.nodeBinaries[runtime];
  if (path === undefined) throw new Error(`no interpreter for ${runtime} on this host`);
  return path;
}

function start(directory: string, runtime: RuntimeName, interpreter: string, runtimesDir: string): ChildProcess {
  const { command, args, env } = runtimeCommand(runtime, interpreter, runtimesDir);
  const tmpDir = join(directory, "tmp");
  return spawn("/bin/sh", [...JOIN_OUTPUTS, command, ...args], {
    cwd: tmpDir,
    env: { ...env, HOME: tmpDir, TMPDIR: tmpDir, [REPORT_USAGE]: "1" },
    // A group of its own, so that one signal reaches all that the function starts.
    detached: true,
    stdio: ["ignore", "pipe", "ignore", "pipe"],
  });
}

class ProcessContainer implements ContainerHandle {
  readonly channel: Duplex;
  readonly channelFd = undefined;
  readonly output: Readable;
  readonly exited: Promise<ContainerExit>;
  readonly taskRoot: string;
  readonly optDir: string;
  readonly optRoot: string;
  readonly tmpDir: string;
  readonly loopback = "127.0.0.1";
  readonly hostUid = undefined;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #extensions: ChildProcess | undefined;
  #extensionsExited: Promise<void> | undefined;
  #destroyed: Promise<void> | undefined;

  constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    this.channel = child.stdio[CHANNEL_FD] as Duplex;
    this.output = child.stdout as Readable;
    this.taskRoot = join(directory, "task");
    this.optDir = join(directory, "opt");
    this.optRoot = this.optDir;
    this.tmpDir = join(directory, "tmp");
    this.exited = new Promise((resolve) => {
      child.once("exit", (status, signal) => {
        resolve({
          status: status ?? undefined,
          signal: signal ?? undefined,
          isOutOfMemory: false,
          isCrowdedOut: false,
        });
      });
    });
  }

  started(): void {}

  assign({ codeDir, layers }: ContainerAssignment): void {
    symlinkSync(codeDir, this.taskRoot);
    // What all containers of the instance have there, if there is anything, where no layers are.
    symlinkSync(layers?.dir ?? join(this.optDir, "../../opt"), this.optDir);
  }

  /** Child processes have no share of their own. */
  limitCpu(): void {}

  async startExtensions(
    names: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<ExtensionProcesses> {
    const script = ["-c", `exec 2>&1; ${START_EXTENSIONS}`, "extensions", join(this.optDir, "extensions"), ...names];
    const child = spawn("/bin/sh", script, {
      cwd: this.tmpDir,
      env: environment,
      detached: true,
      stdio: ["ignore", "pipe", "ignore", "pipe"],
    });
    await once(child, "spawn");
    recordIdentity(child, join(this.#directory, EXTENSIONS_IDENTITY_FILE));
    this.#extensions = child;
    this.#extensionsExited = new Promise((resolve) => child.once("exit", () => resolve()));
    return { output: child.stdout as Readable, ends: child.stdio[CHANNEL_FD] as Readable };
  }

  signalRuntime(signal: "SIGTERM" | "SIGKILL"): void {
    this.#child.kill(signal);
  }

  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  beginUsage(): void {}

  readUsage(): ContainerUsage {
    return UNKNOWN_USAGE;
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  async #destroy(): Promise<void> {
    this.#signal("SIGKILL");
    await this.exited;
    await this.#extensionsExited;
    // What it started while it was being killed.
    this.#signal("SIGKILL");
    await rm(this.#directory, { recursive: true, force: true });
  }

  #signal(signal: NodeJS.Signals): void {
    signalGroup(this.#child, signal);
    if (this.#extensions !== undefined) signalGroup(this.#extensions, signal);
  }
}

/** Synchronous: no moment in which it runs and nobody could find it. */
function recordIdentity({ pid }: ChildProcess, path: string): void {
  writeFileSync(path, JSON.stringify(identifyProcess(pid as number) ?? null));
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(pid as number), signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
