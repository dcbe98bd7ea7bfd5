import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import { connectionFrom } from "../../src/cli/connection.ts";
import { at, LambdaClient } from "../../src/cli/lambda-client.ts";
import { ServerClient } from "../../src/cli/server-client.ts";
import { signedHeaders } from "../../src/cli/signature.ts";
import { isPythonRuntime, type RuntimeName } from "../../src/model/runtime.ts";
import type { PoolsSnapshot } from "../../src/model/snapshot.ts";
import type { ServerStatus } from "../../src/ports/admin.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import { NO_HEADERS, type Side } from "./side.ts";

const LAUNCHER = join(import.meta.dirname, "../../bin/hearth.mjs");
const LOG = "hearth.log";
const ROLE = "arn:aws:iam::000000000000:role/bench";
const POLL_MS = 20;
const POOL_MS_MAX = 60_000;

export type FunctionOrder = {
  readonly name: string;
  readonly runtime?: RuntimeName;
  readonly memoryMiB: number;
  /** Of its one file: `index.mjs`, `index.py`, or `bootstrap` for the custom runtime. */
  readonly code: string | Buffer;
};

/** A server as a user starts it, in the sandbox if nothing else is said, with what a benchmark asks of it. */
export class HearthServer {
  readonly url: string;
  readonly dataDir: string;
  readonly pid: number;
  /** Its standard error. */
  readonly logPath: string;
  readonly #process: ServerProcess;
  readonly #client: ServerClient;
  readonly #lambda: LambdaClient;

  /** @param env settings beside the defaults, as `HEARTH_…` variables. */
  static async start(directory: string, env: Readonly<Record<string, string>> = {}): Promise<HearthServer> {
    const dataDir = join(directory, "data");
    const provider = env["HEARTH_PROVIDER"] ?? "sandbox";
    const options = ["--port", "0", "--data", dataDir, "--no-examples", "--provider", provider];
    const server = await startServer({
      command: [process.execPath, LAUNCHER, "up", ...options],
      cwd: directory,
      env,
      ready: /ready (http:\S+)/,
      logPath: join(directory, LOG),
    });
    return new HearthServer(server, directory, dataDir);
  }

  private constructor(server: ServerProcess, directory: string, dataDir: string) {
    this.logPath = join(directory, LOG);
    this.#process = server;
    this.url = server.said;
    this.pid = server.pid;
    this.dataDir = dataDir;
    this.#client = new ServerClient(connectionFrom(this.url, { HEARTH_DATA: dataDir }));
    this.#lambda = new LambdaClient(this.#client);
  }

  async deploy({ name, runtime = "nodejs24.x", memoryMiB, code }: FunctionOrder): Promise<void> {
    const isCustom = runtime === "provided.al2023";
    const zip = new ZipFile();
    const file = isCustom ? "bootstrap" : isPythonRuntime(runtime) ? "index.py" : "index.mjs";
    zip.addBuffer(Buffer.from(code), file, { mode: isCustom ? 0o100755 : 0o100644 });
    zip.end();
    const archive = await buffer(zip.outputStream as NodeJS.ReadableStream);
    const settings = { Runtime: runtime, Handler: "index.handler", Role: ROLE, MemorySize: memoryMiB };
    await this.#lambda.create(name, archive, settings);
    await this.#lambda.settled(name);
  }

  remove(name: string): Promise<void> {
    return this.#lambda.remove(name);
  }

  invokeUrl(name: string): URL {
    return new URL(`${at(name)}/invocations`, this.url);
  }

  pools(): Promise<PoolsSnapshot> {
    return this.#client.json({ method: "GET", path: "/_hearth/pools" });
  }

  /** Descriptions of the interpreters that the server found, by runtime. */
  async pythons(): Promise<Readonly<Record<string, string>>> {
    return (await this.#client.json<ServerStatus>({ method: "GET", path: "/_hearth/status" })).pythons;
  }

  /** Waits until `isSo` of the pools. @returns how long it took. */
  async until(isSo: (pools: PoolsSnapshot) => boolean): Promise<number> {
    const startMs = performance.now();
    while (!isSo(await this.pools())) {
      if (performance.now() - startMs > POOL_MS_MAX) {
        throw new Error(`the pools of ${this.url} are not as wanted after ${POOL_MS_MAX} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return performance.now() - startMs;
  }

  /** The function as one side of a comparison, its requests unsigned (trusted on loopback) or signed with a known key. */
  side(name: string, functionName: string, options: { readonly body?: Buffer } = {}): Side {
    const url = this.invokeUrl(functionName);
    const { body } = options;
    const headers = body === undefined ? NO_HEADERS : () => this.#signed(url, body);
    return { name, url, headers, stop: () => this.stop() };
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** Good for five minutes. */
  #signed(url: URL, body: Buffer): Record<string, string> {
    const { credentials, region } = this.#client.connection;
    if (credentials === undefined) throw new Error(`no key in ${this.dataDir}`);
    const request = { method: "POST", host: url.host, path: url.pathname, headers: {}, body };
    const { host: _, ...headers } = signedHeaders(request, credentials, region, Date.now());
    return headers;
  }
}
