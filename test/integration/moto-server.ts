import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestOptions } from "vitest";
import { skipUnless } from "../skip.ts";

const READY_MS_MAX = 60_000;
const CANDIDATES = [process.env["HEARTH_MOTO_PYTHON"] ?? "", "python3", "/usr/bin/python3"];

/** An interpreter that has moto's server; undefined: none has. */
const python = CANDIDATES.filter((name) => name !== "").find(
  (name) => spawnSync(name, ["-c", "import moto.server"], { timeout: READY_MS_MAX }).status === 0,
);

/** For what is tried against EC2 as moto plays it. */
export const needsMoto: TestOptions = skipUnless(
  python !== undefined,
  "needs moto's server: python3 -m pip install 'moto[server]', and HEARTH_MOTO_PYTHON if that is another python3",
);

/** EC2 as the Python package moto plays it, in a process of its own; nothing in it outlives the test. */
export class MotoServer {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Resolves when it serves. @throws Error with what it said when it does not. */
  static async start(): Promise<MotoServer> {
    const child = spawn(python ?? "python3", ["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], {
      env: { ...process.env, PYTHONUNBUFFERED: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const url = await new Promise<string>((resolve, reject) => {
      const fail = (why: string) => {
        child.kill("SIGKILL");
        reject(new Error(`moto's server ${why}:\n${said}`));
      };
      const timer = setTimeout(() => fail(`did not serve within ${READY_MS_MAX} ms`), READY_MS_MAX);
      child.once("exit", (status) => fail(`ended with ${status}`));
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          said = `${said}${line}\n`.slice(-4000);
          const found = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
          if (found === undefined) return;
          clearTimeout(timer);
          resolve(found);
        });
      }
    });
    return new MotoServer(child, url);
  }

  /** Everything that it plays is as at its start. */
  async reset(): Promise<void> {
    await fetch(`${this.url}/moto-api/reset`, { method: "POST" });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
