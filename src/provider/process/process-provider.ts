import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { identifyProcess, isAlive, killGroup, type ProcessIdentity } from "../../host/process-identity.ts";
import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { RuntimeName } from "../../model/runtime.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import type { AgentConfig } from "../../protocol/agent-config.ts";
import { checkRoom } from "../slice-room.ts";
import { usualSlice } from "../usual-slice.ts";
import { InstanceRecords } from "./instance-record.ts";

const MEBIBYTE = 1024 * 1024;
/**
 * Becomes the agent once that is allowed, under the same process id. A server that is killed before it has recorded whom it
 * started never allows it, so that no agent is left that nobody knows.
 */
const GATE = 'read -r go && exec "$@" </dev/null';
/** How long a killed process may take to be gone, and how often we look. */
const KILL_MS_MAX = 5000;
const KILL_LOOK_MS = 5;

export const PROCESS_ISOLATION =
  "NO ISOLATION: functions are plain child processes with this user's rights; they can read its files, reach its network and disturb each other. Run only code that you trust.";

export type ProcessProviderOptions = {
  readonly dataDir: string;
  readonly agentBundlePath: string;
  readonly runtimesDir: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Home folders of Python interpreters; none by default. */
  readonly pythonHomes?: Readonly<Partial<Record<RuntimeName, string>>>;
  /** The Node that runs the agents. */
  readonly nodePath: string;
  /** Receives the lines that agents write about themselves: JSON, or text if an agent fails to start. */
  readonly log: (instanceId: InstanceId, line: string) => void;
};

/** Instances that are an agent with child processes: for hosts where nothing better works. */
export function createProcessProvider(options: ProcessProviderOptions): CapacityProvider {
  const records = new InstanceRecords(resolve(options.dataDir, "run/process"));
  const capacity = { memoryMiB: Math.floor(totalmem() / MEBIBYTE), cpuMilli: availableParallelism() * 1000 };
  const offer: Offer = {
    id: "process/host/slice/on-demand" as OfferId,
    provider: "process",
    subPool: "fixed",
    instanceType: "slice",
    zone: "host",
    shape: usualSlice(capacity),
    isElastic: true,
    capacity,
    priceUsdPerHour: 0,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: Number.POSITIVE_INFINITY,
  };
  let listener: CapacityListener | undefined;
  const launches = new Map<InstanceId, Promise<void>>();

  async function start(order: LaunchOrder): Promise<void> {
    const workDir = records.workDirOf(order.instanceId);
    mkdirSync(workDir, { recursive: true });
    const onExit = (reason: string) => listener?.onExit(order.instanceId, reason);
    const agent = await startAgent(options, order, workDir, onExit);
    const identity = identifyProcess(agent.pid as number);
    if (identity !== undefined) records.write(order.instanceId, identity);
    agent.stdin?.on("error", () => {}); // It is gone; its exit says so.
    agent.stdin?.end("go\n");
  }

  async function terminate(instanceId: InstanceId): Promise<void> {
    // What a launch has yet to record would be left behind.
    await launches.get(instanceId)?.catch(() => {});
    const agent = records.agentOf(instanceId);
    // The agent first, so that it starts nothing any more.
    if (agent !== undefined) await kill([agent]);
    await kill(records.containersOf(instanceId));
    records.remove(instanceId);
  }

  /** What an agent that died has left is ended on this occasion; an instance that resists is still there. */
  async function isThere(instanceId: InstanceId): Promise<boolean> {
    const agent = records.agentOf(instanceId);
    if (agent !== undefined && isAlive(agent)) return true;
    return terminate(instanceId).then(
      () => false,
      () => true,
    );
  }

  return {
    kind: "process",
    isolation: PROCESS_ISOLATION,
    offers: () => [offer],
    watch: (told) => {
      listener = told;
    },

    async launch(order) {
      const { instanceId } = order;
      if (launches.has(instanceId) || records.list().includes(instanceId))
        throw new HearthError("LAUNCH_FAILED", `instance ${instanceId} exists`);
      checkRoom(order.shape, [], capacity);
      const launch = start(order);
      launches.set(instanceId, launch);
      try {
        await launch;
      } catch (cause) {
        records.remove(instanceId);
        throw new HearthError("LAUNCH_FAILED", (cause as Error).message, { cause });
      } finally {
        launches.delete(instanceId);
      }
    },

    terminate,

    async list() {
      const instanceIds = records.list();
      const areThere = await Promise.all(instanceIds.map(isThere));
      return instanceIds.filter((_, at) => areThere[at]);
    },

    async close() {},
  };
}

/** Resolves when they are dead. @throws Error when they are not after `KILL_MS_MAX`. */
async function kill(identities: readonly ProcessIdentity[]): Promise<void> {
  for (const identity of identities) killGroup(identity);
  for (let waitedMs = 0; identities.some(isAlive) && waitedMs < KILL_MS_MAX; waitedMs += KILL_LOOK_MS) {
    await delay(KILL_LOOK_MS);
  }
  const left = identities.filter(isAlive).map(({ pid }) => pid);
  if (left.length > 0) throw new Error(`processes ${left.join(", ")} do not end after SIGKILL`);
}

/** Detached: it outlives a server that is killed, and is adopted by the next one. It waits behind `GATE`. */
async function startAgent(
  { agentBundlePath, runtimesDir, nodeBinaries, pythonHomes = {}, nodePath, log }: ProcessProviderOptions,
  { instanceId, offerId, subPool, shape, serverSocketPath, token }: LaunchOrder,
  workDir: string,
  onExit: (reason: string) => void,
): Promise<ChildProcess> {
  const config: AgentConfig = {
    instanceId,
    subPool,
    offerId,
    shape,
    serverSocketPath: resolve(serverSocketPath),
    token,
    isolation: PROCESS_ISOLATION,
    runtimesDir: resolve(runtimesDir),
    nodeBinaries,
    pythonHomes,
    backend: { kind: "process", workDir },
  };
  const agent = spawn("/bin/sh", ["-c", GATE, "hearth-agent", nodePath, resolve(agentBundlePath)], {
    cwd: workDir,
    env: { PATH: process.env["PATH"] ?? "", HEARTH_AGENT_CONFIG: JSON.stringify(config) },
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  await once(agent, "spawn");
  agent.once("exit", (status, signal) => onExit(`its agent's process ended: ${signal ?? `status ${status}`}`));
  const stderr = agent.stderr as Readable & { unref(): void };
  createInterface({ input: stderr }).on("line", (line) => log(instanceId, line));
  // Instances do not keep the server alive.
  stderr.unref();
  agent.unref();
  return agent;
}
