/**
 * What the agent costs on the way of a warm invocation: server's end (in this script) → agent →
 * Node.js runtime → agent → server's end, with the process provider. Prints a table.
 *
 *     node bench/agent-path.ts [SECONDS]
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBundles } from "../src/images/bundle.ts";
import { findNodeBinaries } from "../src/images/node-binaries.ts";
import type { ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../src/model/ids.ts";
import { AGENT_PROTOCOL_VERSION, type AgentMessage, type ServerMessage } from "../src/protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../src/protocol/frame.ts";
import { createProcessProvider } from "../src/provider/process/process-provider.ts";

const SECONDS = Number(process.argv[2] ?? 3);
const IN_FLIGHT = [1, 32];
const PAYLOAD = Buffer.from('{"name":"world"}');
const TICKS_PER_SECOND = 100;

const directory = mkdtempSync(join(tmpdir(), "hearth-agent-path-"));
const socketPath = join(directory, "agents.sock");
const codeDir = join(directory, "code");
mkdirSync(codeDir);
writeFileSync(join(codeDir, "index.mjs"), "export const handler = async (event) => event;");

const provider = createProcessProvider({
  dataDir: directory,
  ...(await buildBundles(join(directory, "images"))),
  nodeBinaries: findNodeBinaries().paths,
  pythonHomes: {},
  nodePath: process.execPath,
  log: (_, line) => console.error(line),
});

let agent: Socket;
let onMessage: (message: AgentMessage) => void = () => {};
let pending: Buffer[] = [];

/** As the server does: what one turn has to say leaves in one write. */
function send(message: ServerMessage, payload?: Buffer): void {
  if (pending.length === 0) setImmediate(flush);
  pending.push(encodeFrame(message, payload));
}

function flush(): void {
  agent.write(Buffer.concat(pending));
  pending = [];
}

const connected = new Promise<void>((resolve) => {
  const server = createServer((socket) => {
    agent = socket;
    const decoder = new FrameDecoder();
    socket.on("data", (bytes: Buffer) => decoder.push(bytes, (header) => onMessage(header as AgentMessage)));
    const settings = { freezeAfterMs: 1000, heartbeatMs: 1000, orphanMs: 5000, blankMemoryMiB: 128 };
    send({ kind: "welcome", protocolVersion: AGENT_PROTOCOL_VERSION, ...settings });
    server.close();
    resolve();
  });
  server.listen(socketPath);
});

const instanceId = `i-${randomUUID()}` as InstanceId;
const shape = { memoryMiB: 8192, cpuMilli: 2000 };
await provider.launch({
  instanceId,
  offerId: "bench" as OfferId,
  subPool: "fixed",
  shape,
  bidUsdPerHour: undefined,
  serverSocketPath: socketPath,
  token: "",
});
await connected;

const containers: ContainerId[] = [];
for (let n = 0; n < Math.max(...IN_FLIGHT); n += 1) containers.push(await createContainer(n));
const rows = [];
for (const inFlight of IN_FLIGHT) {
  await measure(containers.slice(0, inFlight), 1);
  rows.push({ "in flight": inFlight, ...(await measure(containers.slice(0, inFlight), SECONDS)) });
}
console.table(rows);
agent!.destroy();
await provider.terminate(instanceId);
rmSync(directory, { recursive: true, force: true });

async function createContainer(n: number): Promise<ContainerId> {
  const containerId = `c-${n}` as ContainerId;
  send({ kind: "createContainer", containerId, runtime: "nodejs24.x" });
  await new Promise<void>((resolve) => {
    onMessage = (message) => message.kind === "containerReady" && resolve();
  });
  await new Promise<void>((resolve) => {
    onMessage = (message) => message.kind === "finished" && resolve();
    run(containerId, true);
  });
  return containerId;
}

function run(containerId: ContainerId, isCold: boolean): void {
  const assignment = {
    functionKey: "key" as FunctionKey,
    accountId: "000000000000",
    functionName: "echo",
    version: "$LATEST",
    functionArn: "arn:aws:lambda:us-east-1:000000000000:function:echo",
    handler: "index.handler",
    codeDir,
    codeSha256Hex: "0".repeat(64),
    environment: {},
    memoryMiB: 128,
    cpuMilli: 72,
    timeoutMs: 3000,
    ephemeralStorageMiB: 512,
    region: "us-east-1",
  };
  send(
    {
      kind: "run",
      containerId,
      leaseId: randomUUID() as string as LeaseId,
      invocationId: randomUUID() as string as InvocationId,
      invokedArn: assignment.functionArn,
      retries: 0,
      traceId: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
      keepResult: false,
      ...(isCold ? { assignment } : {}),
    },
    PAYLOAD,
  );
}

/** Closed loop: each container has one execution in flight all the time. */
async function measure(loops: readonly ContainerId[], seconds: number): Promise<Record<string, number>> {
  const latenciesUs: number[] = [];
  const begunMs = new Map<ContainerId, number>();
  const agentPid = JSON.parse(readFileSync(join(directory, `run/process/${instanceId}.json`), "utf8")).pid as number;
  const runtimePids = loops.map(
    (id) =>
      JSON.parse(readFileSync(join(directory, `run/process/${instanceId}/${id}/process.json`), "utf8")).pid as number,
  );
  const before = { agent: cpuUs(agentPid), runtimes: sum(runtimePids.map(cpuUs)), self: process.cpuUsage() };
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let running = loops.length;
  await new Promise<void>((resolve) => {
    const begin = (containerId: ContainerId) => {
      begunMs.set(containerId, performance.now());
      run(containerId, false);
    };
    onMessage = (message) => {
      if (message.kind !== "finished") return;
      const nowMs = performance.now();
      latenciesUs.push((nowMs - (begunMs.get(message.containerId) as number)) * 1000);
      if (nowMs < endMs) begin(message.containerId);
      else if (--running === 0) resolve();
    };
    loops.forEach(begin);
  });
  const elapsedMs = performance.now() - startMs;
  const self = process.cpuUsage(before.self);
  const count = latenciesUs.length;
  latenciesUs.sort((a, b) => a - b);
  const each = (us: number) => Math.round((us / count) * 10) / 10;
  return {
    "runs/s": Math.round((count / elapsedMs) * 1000),
    "p50 µs": Math.round(latenciesUs[Math.floor(count * 0.5)] as number),
    "p99 µs": Math.round(latenciesUs[Math.floor(count * 0.99)] as number),
    "agent CPU µs": each(cpuUs(agentPid) - before.agent),
    "runtime CPU µs": each(sum(runtimePids.map(cpuUs)) - before.runtimes),
    "server end CPU µs": each(self.user + self.system),
  };
}

/** User and system time of a process so far, in steps of 10 ms. */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
