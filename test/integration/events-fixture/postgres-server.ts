import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestOptions } from "vitest";
import { skipUnless } from "../../skip.ts";
import { eventually } from "../server-fixture/eventually.ts";

/** Where Debian's packages and others have the server's programs, the newest last. */
const BIN = globSync("/usr/lib/postgresql/*/bin")
  .concat("/usr/local/bin", "/usr/bin")
  .filter((path) => existsSync(join(path, "initdb")))
  .sort()
  .at(-1);
const PASSWORD = "s:e/c@ret";
const READY_MS_MAX = 30_000;

export const needsPostgres: TestOptions = skipUnless(
  BIN !== undefined,
  "needs PostgreSQL's server (Debian package postgresql)",
);

/** PostgreSQL with data of its own, on a port of its own, as a user that is not root; nothing of it outlives the test. */
export class PostgresServer {
  readonly #folder = mkdtempSync(join(tmpdir(), "hearth-postgres-"));
  /** PostgreSQL refuses to run as root: then it is nobody's. */
  readonly #user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer(await freePort());
    if (server.#user.uid !== undefined) chownSync(server.#folder, server.#user.uid, server.#user.gid);
    const passwordFile = join(server.#folder, "password");
    writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
    const data = join(server.#folder, "data");
    const args = [
      "-D",
      data,
      "-U",
      "hearth",
      "-A",
      "scram-sha-256",
      "--pwfile",
      passwordFile,
      "--no-sync",
      "-E",
      "UTF8",
    ];
    execFileSync(join(BIN ?? "", "initdb"), args, { ...server.#user, cwd: server.#folder, stdio: "pipe" });
    await server.begin();
    return server;
  }

  get url(): string {
    return this.urlWith(PASSWORD);
  }

  urlWith(password: string): string {
    return `postgres://hearth:${encodeURIComponent(password)}@127.0.0.1:${this.#port}/postgres`;
  }

  /** Starts it (again) on its data; resolves when it answers. */
  async begin(): Promise<void> {
    const settings = { port: this.#port, listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off" };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(BIN ?? "", "postgres"), ["-D", join(this.#folder, "data"), ...args], {
      ...this.#user,
      cwd: this.#folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
    });
    const isReady = await eventually(
      async () => said.includes("ready to accept connections"),
      (ready) => ready || child.exitCode !== null,
      READY_MS_MAX,
    );
    if (!isReady || child.exitCode !== null) throw new Error(`PostgreSQL did not start:\n${said}`);
  }

  /** As if its machine lost power, for all who are connected. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGQUIT"); // An immediate shutdown, which also ends all of its processes.
    await ended;
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
