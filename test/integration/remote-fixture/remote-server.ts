import { createServer } from "node:net";
import type { HostSummary, JoinInvitation } from "../../../src/ports/remote-host.ts";
import { eventually } from "../server-fixture/eventually.ts";
import { HearthProcess } from "../server-fixture/hearth-process.ts";
import { HostProcess, type HostProcessOptions } from "./host-process.ts";

const CONNECTED_MS_MAX = 60_000;

/** A real server that machines join, and what an operator does with it. */
export class RemoteServer {
  readonly hearth: HearthProcess;
  readonly address: string;

  private constructor(hearth: HearthProcess, address: string) {
    this.hearth = hearth;
    this.address = address;
  }

  /** @param host where machines reach it. Accounts run on joined hosts of the variable sub-pool only. */
  static async start(host: string, env: Readonly<Record<string, string>> = {}): Promise<RemoteServer> {
    // The same at every start of this server, so that hosts find it again.
    const port = await freePort(host);
    const args = ["--provider", "process,static", "--agent-port", `${port}`, "--agent-host", host];
    const hearth = await HearthProcess.start({ provider: "process", args, env });
    const server = new RemoteServer(hearth, `${host}:${port}`);
    await server.request("PUT", "/_hearth/accounts/000000000000/capacity", { class: "variable" });
    return server;
  }

  async invite(terms: object = {}): Promise<JoinInvitation> {
    return this.request("POST", "/_hearth/hosts/tokens", { subPool: "variable", notice: "10s", ...terms });
  }

  /** Makes a token, starts a host agent with it, and waits until it is connected. */
  async addHost(options: Omit<HostProcessOptions, "join" | "token">): Promise<HostProcess> {
    const { token } = await this.invite();
    const host = HostProcess.start({ ...options, join: this.address, token });
    try {
      await this.linked(options.name ?? "", true);
    } catch (error) {
      const { log } = host;
      await host[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}; the host's log:\n${log}`);
    }
    return host;
  }

  async hosts(): Promise<readonly HostSummary[]> {
    return (await this.request<{ hosts: HostSummary[] }>("GET", "/_hearth/hosts")).hosts;
  }

  /** Waits until the host is connected, or cut off. */
  async linked(name: string, isConnected: boolean): Promise<HostSummary> {
    const find = (hosts: readonly HostSummary[]) => hosts.find((host) => host.name === name);
    const hosts = await eventually(
      () => this.hosts(),
      (each) => find(each)?.isConnected === isConnected,
      CONNECTED_MS_MAX,
    );
    const host = find(hosts);
    if (host?.isConnected === isConnected) return host;
    throw new Error(`host ${name} is ${JSON.stringify(host)}; the server's log:\n${this.hearth.log.slice(-5000)}`);
  }

  async request<T>(method: string, path: string, body?: object): Promise<T> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(this.hearth.url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hearth[Symbol.asyncDispose]();
  }
}

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
