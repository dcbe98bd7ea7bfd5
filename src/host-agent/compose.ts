import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { availableCpuMilli } from "../host/host-resources.ts";
import { HostMeter } from "../host/pressure.ts";
import { socketPathIn } from "../host/socket-path.ts";
import { HearthError } from "../model/error-code.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import { systemClock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { HostAgentConfig } from "../protocol/host-agent-config.ts";
import { HOST_NAME, type HostDescription, type HostLoad } from "../protocol/host-protocol.ts";
import { createProcessProvider } from "../provider/process/process-provider.ts";
import { createSandboxProvider } from "../provider/sandbox/sandbox-provider.ts";
import { createFilesCodeStore } from "../store/files/code-store.ts";
import { HostAgent } from "./host-agent.ts";
import { loadIdentity } from "./host-identity.ts";
import { createImdsNoticeSource } from "./notice/imds.ts";
import type { NoticeSource } from "./notice-source.ts";

/** What an installation of Hearth brings along. */
export type Installation = {
  readonly agentBundlePath: string;
  readonly runtimesDir: string;
  /** Those of the configuration go before them. */
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly pythonHomes: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly version: string;
};

const MEBIBYTE = 1024 * 1024;

/**
 * Makes a host agent out of its parts and starts it.
 * @throws HearthError PROVIDER_UNAVAILABLE, DATA_IN_USE, JOIN_REFUSED, STORE_FAILED; Error naming what failed.
 */
export async function startHostAgent(
  config: HostAgentConfig,
  installation: Installation,
  log: Log,
): Promise<HostAgent> {
  const { dataDir } = config;
  const socketPath = socketPathIn(dataDir);
  await makeDataDir(dataDir);
  if (await isListenedTo(socketPath)) throw new HearthError("DATA_IN_USE", `a host agent runs on ${dataDir}`);
  const identity = await loadIdentity(dataDir);
  const nodeBinaries = { ...installation.nodeBinaries, ...config.nodeBinaries };
  const pythonHomes = { ...installation.pythonHomes, ...config.pythonHomes };
  const provider = await openProvider(config, { ...installation, nodeBinaries, pythonHomes }, log);
  const codeDir = join(dataDir, "code");
  return HostAgent.start({
    server: config.server,
    joinToken: config.token,
    identity,
    host: descriptionOf(config, provider, { ...nodeBinaries, ...pythonHomes }, installation.version),
    provider,
    socketPath,
    codeDir,
    codeStore: await createFilesCodeStore(codeDir),
    codeBytesMax: config.codeCacheMiB * MEBIBYTE,
    isSingle: config.isSingle,
    orphanMs: config.orphanMs,
    notices: noticeSourceOf(config, log),
    load: loadReader(),
    log,
  });
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    // Without isolation Node looks for the nearest package.json above a function; it must not be another project's.
    await writeFile(join(dataDir, "package.json"), "{}\n");
  } catch (error) {
    throw new HearthError("STORE_FAILED", `${dataDir}: ${(error as Error).message}`, { cause: error });
  }
}

/** Whether another host agent lives; one that was killed leaves a socket that nobody listens to. */
function isListenedTo(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function openProvider(
  { provider, dataDir, network, isSingle, memoryMiB, cpuMilli, nodePath = process.execPath }: HostAgentConfig,
  { agentBundlePath, runtimesDir, nodeBinaries, pythonHomes }: Installation,
  log: Log,
): Promise<CapacityProvider> {
  const parts = { dataDir, agentBundlePath, runtimesDir, nodeBinaries, pythonHomes, nodePath };
  if (provider !== "process") {
    // A machine that was made for one instance is as large as that: nothing of it is kept back for others.
    const isOrdered = isSingle && memoryMiB !== undefined && cpuMilli !== undefined;
    const whole = isOrdered ? { capacity: () => ({ memoryMiB, cpuMilli }) } : {};
    return createSandboxProvider({ ...parts, ...whole, imagesDir: join(dataDir, "images"), network, log });
  }
  const made = createProcessProvider({ ...parts, log: (instanceId, line) => log.info({ instanceId, line }, "agent") });
  log.warn({}, made.isolation);
  return made;
}

function descriptionOf(
  config: HostAgentConfig,
  provider: CapacityProvider,
  interpreters: Readonly<Partial<Record<RuntimeName, string>>>,
  version: string,
): HostDescription {
  const found = provider.offers()[0]?.capacity ?? { memoryMiB: 1024, cpuMilli: 1000 };
  return {
    name: config.name ?? nameOfMachine(),
    zone: config.zone,
    offered: {
      memoryMiB: Math.min(config.memoryMiB ?? found.memoryMiB, found.memoryMiB),
      cpuMilli: Math.min(config.cpuMilli ?? found.cpuMilli, found.cpuMilli),
    },
    isolation: provider.isolation,
    provider: provider.kind === "process" ? "process" : "sandbox",
    runtimes: [...(Object.keys(interpreters) as RuntimeName[]), "provided.al2023"],
    version,
  };
}

function nameOfMachine(): string {
  const name = (hostname().split(".")[0] ?? "").replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 63);
  return HOST_NAME.test(name) ? name : "host";
}

function noticeSourceOf({ notices, metadataUrl }: HostAgentConfig, log: Log): NoticeSource | undefined {
  if (notices === "none") return undefined;
  return createImdsNoticeSource({ log, ...(metadataUrl === undefined ? {} : { baseUrl: metadataUrl }) });
}

function loadReader(): () => HostLoad {
  if (process.platform !== "linux") return () => ({ cpu: 0 });
  const meter = new HostMeter();
  return () => {
    const { cpuBusyMilli, memoryAvailableMiB } = meter.read(systemClock.monotonicMs());
    return { cpu: Math.min(1, cpuBusyMilli / availableCpuMilli()), memoryAvailableMiB };
  };
}
