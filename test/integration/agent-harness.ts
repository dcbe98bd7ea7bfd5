import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildBundles } from "../../src/images/bundle.ts";
import { findNodeBinaries } from "../../src/images/node-binaries.ts";
import type { ProviderKind } from "../../src/model/capacity.ts";
import type { ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../../src/model/ids.ts";
import type { RuntimeName } from "../../src/model/runtime.ts";
import type { CapacityProvider } from "../../src/ports/capacity-provider.ts";
import {
  AGENT_PROTOCOL_VERSION,
  type AgentMessage,
  type Assignment,
  agentMessageSchema,
  type ServerMessage,
} from "../../src/protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../../src/protocol/frame.ts";
import { createProcessProvider } from "../../src/provider/process/process-provider.ts";
import { createSandboxProvider } from "../../src/provider/sandbox/sandbox-provider.ts";
import { keepImages, takeImages } from "./server-fixture/made-images.ts";

type Kind = AgentMessage["kind"];
type MessageOf<K extends Kind> = Extract<AgentMessage, { kind: K }>;
type Received = { readonly message: AgentMessage; readonly payload: Buffer };
export type Finished = MessageOf<"finished"> & { readonly payload: string };

export type FunctionSource = {
  readonly files: Readonly<Record<string, string>>;
  readonly runtime?: RuntimeName;
  readonly handler?: string;
  readonly timeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
} & Partial<Pick<Assignment, "memoryMiB" | "requestedMemoryMiB" | "rescueMemoryMiB" | "cpuMilli">>;

const WAIT_MS_MAX = 20_000;

/** A server's end of the agent protocol for tests: it launches real agents and sends what the test says. */
export class AgentHarness {
  readonly directory = mkdtempSync(join(tmpdir(), "hearth-agent-test-"));
  readonly socketPath = join(this.directory, "agents.sock");
  readonly agentLog: string[] = [];
  readonly received: Received[] = [];
  welcome: Partial<Extract<ServerMessage, { kind: "welcome" }>> = {};
  provider!: CapacityProvider;
  #listener: Server | undefined;
  #socket: Socket | undefined;
  #waiting: (() => void)[] = [];

  static async start(kind: ProviderKind = "process"): Promise<AgentHarness> {
    const harness = new AgentHarness();
    takeImages(harness.directory);
    const bundles = await buildBundles(join(harness.directory, "images"));
    const options = {
      dataDir: harness.directory,
      ...bundles,
      nodeBinaries: findNodeBinaries().paths,
      pythonHomes: {},
      nodePath: process.execPath,
    };
    harness.provider =
      kind === "process"
        ? createProcessProvider({ ...options, log: (_, line) => harness.agentLog.push(line) })
        : await createSandboxProvider({
            ...options,
            imagesDir: join(harness.directory, "images"),
            network: false,
            log: { info() {}, warn() {} },
          });
    keepImages(harness.directory);
    await harness.listen();
    return harness;
  }

  /** Accepts agents, as a server that was started again would. */
  async listen(): Promise<void> {
    rmSync(this.socketPath, { force: true });
    this.#listener = createServer((socket) => this.#accept(socket));
    this.#listener.listen(this.socketPath);
    await once(this.#listener, "listening");
  }

  /** The server is gone, as by kill -9. */
  async vanish(): Promise<void> {
    const closed = this.#listener && once(this.#listener, "close");
    this.#listener?.close();
    this.#socket?.destroy();
    await closed;
  }

  async launch(memoryMiB = 1024): Promise<InstanceId> {
    const instanceId = `i-${randomUUID()}` as InstanceId;
    const shape = { memoryMiB, cpuMilli: 2000 };
    const order = {
      instanceId,
      offerId: "test" as OfferId,
      subPool: "fixed",
      bidUsdPerHour: undefined,
      shape,
      serverSocketPath: this.socketPath,
      token: "secret",
    } as const;
    await this.provider.launch(order);
    await this.next("hello");
    return instanceId;
  }

  send(message: ServerMessage, payload?: Buffer): void {
    this.#socket?.write(encodeFrame(message, payload));
  }

  sendRaw(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  async create(runtime: RuntimeName = "nodejs24.x"): Promise<ContainerId> {
    const containerId = `c-${randomUUID()}` as ContainerId;
    this.send({ kind: "createContainer", containerId, runtime });
    await this.next("containerReady", (ready) => ready.containerId === containerId);
    return containerId;
  }

  /** Writes the function's files and says how to assign it. */
  assignment(source: FunctionSource): Assignment {
    const name = `f-${randomUUID()}`;
    const codeDir = join(this.directory, "code", name);
    for (const [path, text] of Object.entries(source.files)) {
      mkdirSync(dirname(join(codeDir, path)), { recursive: true });
      writeFileSync(join(codeDir, path), text, { mode: 0o755 });
    }
    return {
      functionKey: name as FunctionKey,
      accountId: "000000000000",
      functionName: name,
      version: "$LATEST",
      functionArn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
      handler: source.handler ?? "index.handler",
      codeDir,
      codeSha256Hex: "0".repeat(64),
      environment: { ...source.environment },
      memoryMiB: source.memoryMiB ?? 256,
      cpuMilli: source.cpuMilli ?? 145,
      ...(source.requestedMemoryMiB === undefined ? {} : { requestedMemoryMiB: source.requestedMemoryMiB }),
      ...(source.rescueMemoryMiB === undefined ? {} : { rescueMemoryMiB: source.rescueMemoryMiB }),
      timeoutMs: source.timeoutMs ?? 3000,
      ephemeralStorageMiB: 512,
      region: "us-east-1",
    };
  }

  /** A container of its own that holds the function; the first run is a cold one. */
  async deploy(source: FunctionSource): Promise<DeployedFunction> {
    const containerId = await this.create(source.runtime);
    return new DeployedFunction(this, containerId, this.assignment(source));
  }

  /** The first message of this kind that no one has taken so far. */
  async next<K extends Kind>(kind: K, fits: (message: MessageOf<K>) => boolean = () => true): Promise<MessageOf<K>> {
    return (await this.nextReceived(kind, fits)).message as MessageOf<K>;
  }

  async nextReceived<K extends Kind>(kind: K, fits: (message: MessageOf<K>) => boolean): Promise<Received> {
    const deadlineMs = Date.now() + WAIT_MS_MAX;
    for (;;) {
      const at = this.received.findIndex((r) => r.message.kind === kind && fits(r.message as MessageOf<K>));
      if (at >= 0) return this.received.splice(at, 1)[0] as Received;
      if (Date.now() > deadlineMs) throw new Error(`no ${kind} came; the agent says: ${this.agentLog.join("\n")}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WAIT_MS_MAX);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** What the functions wrote so far and no one has taken. */
  takeLogs(containerId: ContainerId): string {
    const isLog = ({ message }: Received) => message.kind === "log" && message.containerId === containerId;
    const logs = this.received.filter(isLog);
    for (const log of logs) this.received.splice(this.received.indexOf(log), 1);
    return logs.map(({ payload }) => payload.toString()).join("");
  }

  async stop(): Promise<void> {
    for (const instanceId of await this.provider.list()) await this.provider.terminate(instanceId);
    await this.provider.close();
    await this.vanish();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    this.#socket = socket;
    const decoder = new FrameDecoder();
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      decoder.push(bytes, (header, payload) => this.#receive(agentMessageSchema.parse(header), payload));
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  #receive(message: AgentMessage, payload: Buffer): void {
    if (message.kind === "hello") {
      const settings = { freezeAfterMs: 50, heartbeatMs: 200, orphanMs: 5000, blankMemoryMiB: 128 };
      this.send({ kind: "welcome", protocolVersion: AGENT_PROTOCOL_VERSION, ...settings, ...this.welcome });
    }
    if (message.kind !== "heartbeat") this.received.push({ message, payload });
  }
}

/** One function in one container. */
export class DeployedFunction {
  readonly #harness: AgentHarness;
  readonly containerId: ContainerId;
  readonly assignment: Assignment;
  #isAssigned = false;

  constructor(harness: AgentHarness, containerId: ContainerId, assignment: Assignment) {
    this.#harness = harness;
    this.containerId = containerId;
    this.assignment = assignment;
  }

  /** Orders that the function is loaded ahead of its first run, which then is a warm one. */
  beginPrewarm(): void {
    this.#harness.send({ kind: "prewarm", containerId: this.containerId, assignment: this.assignment });
    this.#isAssigned = true;
  }

  prewarm(): Promise<MessageOf<"prewarmed">> {
    this.beginPrewarm();
    return this.#harness.next("prewarmed", ({ containerId }) => containerId === this.containerId);
  }

  /** Begins an execution. @returns its lease. */
  begin(payload: unknown = {}, options: { keepResult?: boolean; tellBegun?: boolean } = {}): LeaseId {
    const leaseId = `l-${randomUUID()}` as LeaseId;
    this.#harness.send(
      {
        kind: "run",
        containerId: this.containerId,
        leaseId,
        invocationId: randomUUID() as InvocationId,
        invokedArn: this.assignment.functionArn,
        retries: 0,
        traceId: "Root=1-0-0",
        keepResult: options.keepResult ?? false,
        tellBegun: options.tellBegun,
        ...(this.#isAssigned ? {} : { assignment: this.assignment }),
      },
      payload instanceof Buffer ? payload : Buffer.from(JSON.stringify(payload)),
    );
    this.#isAssigned = true;
    return leaseId;
  }

  async end(leaseId: LeaseId): Promise<Finished> {
    const { message, payload } = await this.#harness.nextReceived("finished", (f) => f.leaseId === leaseId);
    return { ...(message as MessageOf<"finished">), payload: payload.toString() };
  }

  run(payload?: unknown): Promise<Finished> {
    return this.end(this.begin(payload));
  }

  gone(): Promise<MessageOf<"containerGone">> {
    return this.#harness.next("containerGone", (gone) => gone.containerId === this.containerId);
  }

  logs(): string {
    return this.#harness.takeLogs(this.containerId);
  }
}
