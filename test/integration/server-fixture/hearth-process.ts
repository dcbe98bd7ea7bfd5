import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PoolsSnapshot } from "../../../src/model/snapshot.ts";
import type { ServerStatus } from "../../../src/ports/admin.ts";
import { eventually } from "./eventually.ts";
import { leftoversOf } from "./leftovers.ts";
import { keepImages, takeImages } from "./made-images.ts";

const COMMAND = fileURLToPath(new URL("../../../bin/hearth.mjs", import.meta.url));
/** Of a start that has to build images and bundles on a slow machine. */
const READY_MS_MAX = 60_000;
/** Grace for running invocations (10 s), then the end of every instance. */
const EXIT_MS_MAX = 40_000;
const LEFTOVERS_MS_MAX = 10_000;
/** For whoever looks for the cause of a failure: the logs of all servers under test. */
const LOG_FILE = process.env["HEARTH_TEST_LOG"];
const LOG_LENGTH_MAX = 200_000;

export type HearthProcessOptions = {
  readonly provider: "process" | "sandbox" | "microvm";
  readonly host?: string;
  /** Further arguments of `hearth up`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: a new folder, removed with the process. */
  readonly dataDir?: string;
};

/**
 * The real server as a process of its own. What a test starts it disposes of, also when it fails:
 *
 *     await using hearth = await HearthProcess.start({ provider: "process" });
 */
export class HearthProcess {
  readonly dataDir: string;
  readonly #options: HearthProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<number | string> = Promise.resolve(0);
  #needsCleanUp = false;
  /** `http://HOST:PORT`; changes with each start. */
  url = "";
  /** Last of what the server wrote to standard error, over all its starts. */
  log = "";

  private constructor(options: HearthProcessOptions) {
    this.#options = options;
    this.dataDir = realpathSync(options.dataDir ?? mkdtempSync(join(tmpdir(), "hearth-test-")));
    takeImages(this.dataDir);
  }

  /** Resolves when it serves. @throws Error with its log when it does not. */
  static async start(options: HearthProcessOptions): Promise<HearthProcess> {
    const hearth = new HearthProcess(options);
    try {
      await hearth.start();
    } catch (error) {
      await hearth[Symbol.asyncDispose]();
      throw error;
    }
    return hearth;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it (again) on its data. */
  async start(): Promise<void> {
    const { provider, host = "127.0.0.1", args = [], env = {} } = this.#options;
    const child = spawn(
      process.execPath,
      [
        COMMAND,
        "up",
        "--no-examples",
        "--port",
        "0",
        "--host",
        host,
        "--data",
        this.dataDir,
        "--provider",
        provider,
        ...args,
      ],
      { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal ?? "")));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.log = (this.log + text).slice(-LOG_LENGTH_MAX);
      if (LOG_FILE !== undefined) appendFileSync(LOG_FILE, text);
    });
    this.url = await this.#ready(child);
    this.#needsCleanUp = true;
    keepImages(this.dataDir);
  }

  #ready(child: ChildProcess): Promise<string> {
    let output = "";
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`the server ${why}; its log:\n${this.log}`));
      const timer = setTimeout(() => fail(`was not ready within ${READY_MS_MAX} ms`), READY_MS_MAX);
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        const url = /^ready (http:\S+)$/m.exec(output)?.[1];
        if (url === undefined) return;
        clearTimeout(timer);
        resolve(url);
      });
      // Its output ends after its last words were read.
      child.once("close", (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** @returns exit status, or the signal that ended it. */
  exited(): Promise<number | string> {
    return within(this.#exited, EXIT_MS_MAX, () => `the server did not end; its log:\n${this.log}`);
  }

  /** SIGTERM. @returns its exit status. */
  async stop(): Promise<number | string> {
    this.signal("SIGTERM");
    const status = await this.exited();
    this.#needsCleanUp = status !== 0;
    return status;
  }

  /** SIGKILL: instances live on until their agents miss the server for long. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited();
  }

  /** What of it is still on this machine, after the time that the kernel takes to let go; empty: nothing. */
  leftovers(): Promise<string[]> {
    return eventually(
      async () => leftoversOf(this.dataDir),
      (found) => found.length === 0,
      LEFTOVERS_MS_MAX,
    );
  }

  async pools(): Promise<PoolsSnapshot> {
    return (await (await fetch(`${this.url}/_hearth/pools`)).json()) as PoolsSnapshot;
  }

  async status(): Promise<ServerStatus> {
    return (await (await fetch(`${this.url}/_hearth/status`)).json()) as ServerStatus;
  }

  /** The last megabyte of a function's log. */
  async functionLog(name: string): Promise<string> {
    return (await fetch(`${this.url}/_hearth/logs/${name}`)).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
        await this.stop();
      }
      // Interpreters are made when a function wants them.
      keepImages(this.dataDir);
      if (this.#needsCleanUp) await this.#takeDown();
    } finally {
      this.signal("SIGKILL");
      if (this.#options.dataDir === undefined) rmSync(this.dataDir, { recursive: true, force: true });
    }
  }

  /** Instances of a killed server end with the next one that finds them. */
  async #takeDown(): Promise<void> {
    this.#needsCleanUp = false;
    if (leftoversOf(this.dataDir).length === 0) return;
    await this.start();
    await this.stop();
  }
}

async function within<T>(promise: Promise<T>, limitMs: number, says: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(says())), limitMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
