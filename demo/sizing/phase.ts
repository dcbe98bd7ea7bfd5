import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connectionFrom } from "../../src/cli/connection.ts";
import { ServerClient } from "../../src/cli/server-client.ts";
import { availableMemoryMiB } from "../../src/host/host-resources.ts";
import type { PoolsSnapshot } from "../../src/model/snapshot.ts";
import type { Log } from "../../src/ports/log.ts";
import type { SizedVersionView, SizingPage } from "../../src/ports/sizing-view.ts";
import { type Hearth, startHearth } from "../../src/up/hearth.ts";
import { FUNCTIONS } from "./functions.ts";
import { type Call, Load } from "./load.ts";

/** Of all instances together: more than the functions ask for, so that nobody waits in either phase. */
const SANDBOX_MIB = 6144;

/** What one server did with the load. */
export type Phase = {
  readonly calls: ReadonlyMap<string, readonly Call[]>;
  readonly sizes: ReadonlyMap<string, SizedVersionView>;
  /** By function. */
  readonly kills: ReadonlyMap<string, number>;
  readonly rescues: ReadonlyMap<string, number>;
  readonly coldStarts: number;
};

export type PhaseOptions = {
  readonly dataDir: string;
  readonly isSized: boolean;
  readonly rounds: number;
  readonly log: Log;
  readonly signal: AbortSignal;
  onRound(round: number, sizes: readonly SizedVersionView[]): void;
};

/** Starts a server on this host, runs the load, and ends the server. @throws Error when this host has too little free memory. */
export async function runPhase(options: PhaseOptions): Promise<Phase> {
  const { dataDir, isSized, rounds, signal } = options;
  const hearth = await startSandboxes(dataDir, options.log);
  try {
    const server = new ServerClient(connectionFrom(hearth.url, { HEARTH_DATA: dataDir }));
    const path = "/_hearth/sizing";
    if (!isSized) await server.json({ method: "PUT", path: `${path}/stop`, body: { isStopped: true } });
    const { accessKeyId, secretAccessKey } = JSON.parse(readFileSync(join(dataDir, "root-key.json"), "utf8"));
    const load = new Load(hearth.url, { accessKeyId, secretAccessKey });
    const code = readFileSync(join(import.meta.dirname, "function.mjs"));
    for (const one of FUNCTIONS) {
      await load.deploy(one, code);
      if (one.sizing !== undefined) {
        await server.json({ method: "PUT", path: `${path}/functions/${one.name}`, body: one.sizing });
      }
    }
    const sizes = async () => (await server.json<SizingPage>({ method: "GET", path })).versions;
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      await load.round(round, FUNCTIONS, signal);
      options.onRound(round, await sizes());
    }
    load.close();
    const { counters } = await server.json<PoolsSnapshot>({ method: "GET", path: "/_hearth/pools" });
    const metrics = await (await fetch(`${hearth.url}/metrics`)).text();
    return {
      calls: load.calls,
      sizes: new Map((await sizes()).map((version) => [version.functionName, version])),
      kills: countsIn(metrics, "hearth_function_out_of_memory_total"),
      rescues: countsIn(metrics, "hearth_function_rescues_total"),
      coldStarts: counters.coldStarts,
    };
  } finally {
    await hearth.stop(0);
  }
}

function startSandboxes(dataDir: string, log: Log): Promise<Hearth> {
  const availableMiB = availableMemoryMiB();
  if (availableMiB < SANDBOX_MIB + 1024) {
    throw new Error(`${SANDBOX_MIB + 1024} MiB must be free, this machine has ${availableMiB}`);
  }
  return startHearth({
    host: "127.0.0.1",
    port: 0,
    dataDir,
    network: false,
    region: "us-east-1",
    log,
    onStoreLost: (error) => {
      throw error;
    },
    fleet: {
      providers: ["sandbox"],
      ec2File: undefined,
      agentHost: "127.0.0.1",
      agentPort: 0,
      agentAdvertise: undefined,
      sandboxMemoryMiB: SANDBOX_MIB,
      microvmMemoryMiB: undefined,
      harvest: {},
    },
    settings: { blankTarget: { "nodejs24.x": 1 } },
  });
}

function countsIn(metrics: string, name: string): ReadonlyMap<string, number> {
  const lines = metrics.matchAll(new RegExp(`^${name}\\{.*function="([^"]+)".*\\} (\\d+)$`, "gm"));
  return new Map([...lines].map(([, functionName = "", count]) => [functionName, Number(count)]));
}
