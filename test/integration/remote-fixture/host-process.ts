import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { leftoversOf } from "../server-fixture/leftovers.ts";
import { keepImages, takeImages } from "../server-fixture/made-images.ts";

const COMMAND = fileURLToPath(new URL("../../../bin/hearth.mjs", import.meta.url));
const LOG_FILE = process.env["HEARTH_TEST_LOG"];
const LOG_LENGTH_MAX = 200_000;
const EXIT_MS_MAX = 60_000;
/** A machine of its own has a /run of its own, and a /sys that shows its own interfaces. */
const OWN_FOLDERS = `mount -t tmpfs tmpfs /run && mkdir /run/groups && mount --rbind /sys/fs/cgroup /run/groups &&
  mount -t sysfs sysfs /sys && mount --rbind /run/groups /sys/fs/cgroup && exec "$@"`;

export type HostProcessOptions = {
  /** `HOST:PORT` of the server's endpoint. */
  readonly join: string;
  readonly token?: string | undefined;
  readonly provider: "process" | "sandbox";
  readonly name?: string;
  readonly zone?: string;
  readonly memoryMiB?: number;
  /** Network namespace that it runs in (`ip netns`); undefined: this one. */
  readonly netns?: string;
};

/** `hearth agent` as a process of its own, on a data folder of its own. A test that starts it disposes of it. */
export class HostProcess {
  readonly dataDir = realpathSync(mkdtempSync(join(tmpdir(), "hearth-host-")));
  readonly #options: HostProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<number | string> = Promise.resolve(0);
  log = "";

  constructor(options: HostProcessOptions) {
    this.#options = options;
    takeImages(this.dataDir);
  }

  static start(options: HostProcessOptions): HostProcess {
    const host = new HostProcess(options);
    host.start();
    return host;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** @param withToken false: the machine has joined, and needs none. */
  start(withToken = true): void {
    const token = withToken ? this.#options.token : undefined;
    const { join: server, provider, name, zone, memoryMiB, netns } = this.#options;
    const inside =
      netns === undefined
        ? []
        : ["nsenter", `--net=/run/netns/${netns}`, "unshare", "--mount", "/bin/sh", "-c", OWN_FOLDERS, "machine"];
    const optional = { name, zone, memory: memoryMiB, token };
    const flags = Object.entries(optional).flatMap(([flag, value]) =>
      value === undefined ? [] : [`--${flag}`, `${value}`],
    );
    const args = ["agent", "--join", server, "--data", this.dataDir, "--provider", provider, ...flags];
    const [program = "", ...rest] = [...inside, process.execPath, COMMAND, ...args];
    const child = spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal ?? "")));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.log = (this.log + text).slice(-LOG_LENGTH_MAX);
      if (LOG_FILE !== undefined) appendFileSync(LOG_FILE, text);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** @returns exit status, or the signal that ended it. */
  async exited(): Promise<number | string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the host agent did not end; its log:\n${this.log}`)), EXIT_MS_MAX);
    });
    return Promise.race([this.#exited, late]).finally(() => clearTimeout(timer));
  }

  /** SIGKILL: its instances live on. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited();
  }

  /** SIGTERM, and again: it ends what it has. */
  async stop(): Promise<number | string> {
    this.signal("SIGTERM");
    this.signal("SIGTERM");
    return this.exited();
  }

  /** What of it is on this machine. */
  leftovers(): string[] {
    return leftoversOf(this.dataDir);
  }

  /** Sandboxes that have a folder there. */
  instanceIds(): string[] {
    return readdirSync(join(this.dataDir, "sandbox/instances"));
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // Instances of one that was killed are ended by the next.
      if (!this.isRunning && this.leftovers().length > 0) this.start();
      if (this.isRunning) await this.stop();
      keepImages(this.dataDir);
    } finally {
      this.signal("SIGKILL");
      rmSync(this.dataDir, { recursive: true, force: true });
    }
  }
}
