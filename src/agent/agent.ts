import { HearthError } from "../model/error-code.ts";
import type { ContainerId } from "../model/ids.ts";
import type { AgentConfig } from "../protocol/agent-config.ts";
import { AGENT_PROTOCOL_VERSION, type AgentMessage, type ServerMessage } from "../protocol/agent-protocol.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { AgentLog } from "./agent-log.ts";
import { Container } from "./container.ts";
import type { ContainerBackend } from "./container-backend.ts";
import { INIT_AHEAD_MS_MAX, INIT_MS_MAX } from "./container-timers.ts";
import type { ContainerWorld } from "./container-world.ts";
import { FunctionLog } from "./function-log.ts";
import { KeptResults } from "./kept-results.ts";
import { agentFault, type RunOrder, type RunResult } from "./run-result.ts";
import { ServerLink, type Welcome } from "./server-link.ts";
import { SpareEndpoint } from "./spare-endpoint.ts";

/** Before a server has said its own. */
const FREEZE_AFTER_MS_INITIAL = 1000;
const BLANK_MEMORY_MIB_INITIAL = 128;
const EMPTY = Buffer.alloc(0);

export type AgentOptions = {
  readonly config: AgentConfig;
  readonly backend: ContainerBackend;
  readonly log: AgentLog;
  /** The server ordered it, or there was none for too long: call `close` and end the process. */
  onExitOrdered(reason: string): void;
};

/** Carries out a server's orders in the containers of one instance, and tells it what becomes of them. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #backend: ContainerBackend;
  readonly #onExitOrdered: (reason: string) => void;
  readonly #containers = new Map<ContainerId, Container>();
  readonly #results = new KeptResults();
  readonly #spareEndpoint: SpareEndpoint;
  readonly #world: ContainerWorld;
  readonly #link: ServerLink;
  #accountId: string | undefined;
  #freezeAfterMs = FREEZE_AFTER_MS_INITIAL;
  #blankMemoryMiB = BLANK_MEMORY_MIB_INITIAL;

  constructor({ config, backend, log, onExitOrdered }: AgentOptions) {
    this.#config = config;
    this.#backend = backend;
    this.#onExitOrdered = onExitOrdered;
    this.#spareEndpoint = new SpareEndpoint(log);
    this.#world = {
      spareEndpoint: this.#spareEndpoint,
      backend,
      log,
      initMsMax: INIT_MS_MAX,
      initAheadMsMax: INIT_AHEAD_MS_MAX,
      freezeAfterMs: () => this.#freezeAfterMs,
      blankMemoryMiB: () => this.#blankMemoryMiB,
      onReady: (id, startMs, memoryBytes) =>
        this.#link.send({ kind: "containerReady", containerId: id, startMs, memoryBytes }),
      onPrewarmed: (id, initUs) => this.#link.send({ kind: "prewarmed", containerId: id, initUs }),
      onBegun: ({ containerId, leaseId, invocationId, tellBegun }) => {
        if (tellBegun === true) this.#link.send({ kind: "begun", containerId, leaseId, invocationId });
      },
      onChunk: (order, bytes, contentType) => this.#chunk(order, bytes, contentType),
      onResized: (id, memoryMiB) => this.#link.send({ kind: "containerResized", containerId: id, memoryMiB }),
      onFinished: (order, result, payload) => this.#finished(order, result, payload),
      onGone: (id, reason) => this.#gone(id, reason),
    };
    this.#link = new ServerLink(
      config.serverSocketPath,
      {
        greeting: () => [encodeFrame(this.#hello()), ...this.#results.frames()],
        onWelcome: (welcome) => {
          this.#freezeAfterMs = welcome.freezeAfterMs;
          this.#blankMemoryMiB = welcome.blankMemoryMiB;
          this.#watchPressure(welcome);
        },
        onOrder: (order, payload) => this.#obey(order, payload),
        onLost: () => {
          for (const container of this.#containers.values()) container.abandonStream();
        },
        onOrphaned: () => onExitOrdered("no server"),
      },
      log,
    );
  }

  /** Destroys all containers, says so to the server if there is one, and closes the backend. */
  async close(reason: string): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.destroy(reason)));
    await this.#link.close();
    await this.#spareEndpoint.close();
    await this.#backend.close();
  }

  /** Anew for each server: what an earlier one was told, this one does not know. */
  #watchPressure({ pressureAtMiB: atMiB, pressureClearMiB: clearMiB = atMiB }: Welcome): void {
    const bounds = atMiB === undefined || clearMiB === undefined ? undefined : { atMiB, clearMiB };
    this.#backend.watchPressure(bounds, (report) => this.#link.send({ kind: "pressure", ...report }));
  }

  #hello(): AgentMessage {
    const { token, instanceId, subPool, offerId, shape, isolation } = this.#config;
    const reports = [...this.#containers.values()].map((container) => container.report());
    return {
      kind: "hello",
      protocolVersion: AGENT_PROTOCOL_VERSION,
      token,
      instanceId,
      subPool,
      offerId,
      shape,
      ...(this.#accountId === undefined ? {} : { accountId: this.#accountId }),
      containers: reports.filter((report) => report !== undefined),
      keptInvocationIds: this.#results.invocationIds(),
      isolation,
      tellsBegun: true,
    };
  }

  #obey(order: Exclude<ServerMessage, { kind: "welcome" }>, payload: Buffer): void {
    switch (order.kind) {
      case "run":
        this.#run(order, payload);
        break;
      case "prewarm":
        this.#serve(order.assignment.accountId);
        // If it is gone already, `containerGone` is on its way.
        this.#containers.get(order.containerId)?.prewarm(order.assignment);
        break;
      case "ack":
        this.#results.acknowledge(order.leaseId);
        break;
      case "credit":
        this.#containers.get(order.containerId)?.credit(order.leaseId, order.bytes);
        break;
      case "createContainer":
        this.#create(order);
        break;
      case "destroyContainer":
        // If it is gone already, `containerGone` is on its way.
        void this.#containers.get(order.containerId)?.destroy("destroyed by the server");
        break;
      case "exit":
        this.#onExitOrdered(order.reason);
        break;
      default:
        order satisfies never;
    }
  }

  #create({ containerId, runtime }: Extract<ServerMessage, { kind: "createContainer" }>): void {
    if (this.#containers.has(containerId)) violated(`container ${containerId} exists already`);
    const log = new FunctionLog(this.#link, containerId);
    this.#containers.set(containerId, new Container(containerId, runtime, log, this.#world));
  }

  #run(order: RunOrder, payload: Buffer): void {
    if (order.assignment !== undefined) this.#serve(order.assignment.accountId);
    const container = this.#containers.get(order.containerId);
    // It ended while the order was on its way.
    if (container === undefined) this.#finished(order, agentFault(), EMPTY);
    else container.run(order, payload);
  }

  /** An instance serves one account, ever: the server must never ask for a second. */
  #serve(accountId: string): void {
    this.#accountId ??= accountId;
    if (this.#accountId !== accountId) violated(`instance of account ${this.#accountId} was given to ${accountId}`);
  }

  #chunk({ containerId, leaseId, invocationId }: RunOrder, bytes: Buffer, contentType: string | undefined): void {
    this.#link.send({ kind: "chunk", containerId, leaseId, invocationId, contentType }, bytes);
  }

  #finished(order: RunOrder, result: RunResult, payload: Buffer): void {
    const { containerId, leaseId, invocationId } = order;
    const message: AgentMessage = { kind: "finished", containerId, leaseId, invocationId, ...result };
    const frame = encodeFrame(message, payload);
    if (order.keepResult) this.#results.keep(leaseId, invocationId, frame);
    this.#link.sendFrame(frame);
  }

  #gone(containerId: ContainerId, reason: string): void {
    this.#containers.delete(containerId);
    this.#link.send({ kind: "containerGone", containerId, reason });
  }
}

function violated(detail: string): never {
  throw new HearthError("PROTOCOL_VIOLATION", detail);
}
