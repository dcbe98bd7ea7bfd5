import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { ControlPlane } from "../control/control-plane.ts";
import { type ErrorCode, HearthError } from "../model/error-code.ts";
import type { Command, Event } from "../model/event.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { FunctionKey, InstanceId, InvocationId } from "../model/ids.ts";
import type { InstanceReport } from "../model/instance.ts";
import type { InvocationMode, Lease } from "../model/invocation.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import type { Clock } from "../ports/clock.ts";
import type { InvocationTracer } from "../ports/invocation-tracer.ts";
import type { InvokeAnswer, InvokeRequest, ResponseSink } from "../ports/invoker.ts";
import type { Log } from "../ports/log.ts";
import type { AgentMessage, Assignment, ServerMessage } from "../protocol/agent-protocol.ts";
import type { InitializationType } from "../protocol/runtime-version.ts";
import { AgentEndpoint, type AgentEndpointOptions } from "./agent-endpoint.ts";
import { archivesOf, assignmentOf } from "./assignment.ts";
import { CoreLoop } from "./core-loop.ts";
import { endLines, type LogTail, startLine } from "./execution-log.ts";
import { IdleWait } from "./idle-wait.ts";
import { inTime } from "./in-time.ts";
import { InstanceClaims } from "./instance-claims.ts";
import type { FunctionLogs } from "./logs/function-logs.ts";
import type { Metrics } from "./metrics.ts";
import type { Answer, PendingInvocation } from "./pending-invocation.ts";
import type { PendingInvocations } from "./pending-invocations.ts";
import { reportedUsage } from "./reported-usage.ts";
import { runMessageOf } from "./run-message.ts";
import { sizedVersionOf } from "./sized-version.ts";
import { StreamedAnswer } from "./streamed-answer.ts";
import { terminateInstance } from "./terminate-instance.ts";
import { WallClock } from "./wall-clock.ts";

export type ServerOptions = Pick<
  AgentEndpointOptions,
  "socketPath" | "welcome" | "pressureShares" | "silenceMsMax" | "tokenOf"
> & {
  readonly control: ControlPlane;
  /** Instances of an earlier server that may join; no other strangers may. */
  readonly leftOver: ReadonlySet<InstanceId>;
  readonly provider: Omit<CapacityProvider, "kind">;
  codeDir(sha256Hex: string): string;
  layersDir(sha256Hexes: readonly string[]): string;
  readonly logs: FunctionLogs;
  readonly metrics: Metrics;
  /** undefined: traces are not recorded. */
  readonly tracer?: Pick<InvocationTracer, "begin"> | undefined;
  readonly region: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Empty: who arrives is kept there until he is answered. */
  readonly pending: PendingInvocations;
  /** How long a provider may take for one step of the shutdown; what it has not ended by then is left to the next server. */
  readonly endingMsMax?: number;
  /** The outcome of an execution that an earlier server handed out. */
  onOrphan(id: InvocationId, answer: InvokeAnswer, acknowledge: () => void): void;
  /** An agent of an earlier server executes this invocation, or holds its result. */
  onAdopted(id: InvocationId): void;
};

const MIB = 2 ** 20;
/** What was placed at once took less than this on its way through the core. */
const WAIT_MS_MIN = 1;
/** Less than service managers wait before they kill (systemd: 90 s). */
const ENDING_MS_MAX = 30_000;

/** Feeds the control core with what happens, performs its commands and answers callers. It decides nothing. */
export class Server {
  readonly #options: ServerOptions;
  readonly #endpoint: AgentEndpoint;
  readonly #wallClock: WallClock;
  readonly #pending: PendingInvocations;
  /** Functions that were called since the start, or are to be held ready, and are as they were: what may be prewarmed. */
  readonly #versions = new Map<FunctionKey, FunctionVersion>();
  readonly #loop: CoreLoop;
  readonly #launched = new Set<InstanceId>();
  readonly claims = new InstanceClaims();
  /** Instances told to end, or lost, until they are gone: their agents may not join again. */
  readonly #ending = new Map<InstanceId, Promise<void>>();
  readonly #idle = new IdleWait(() => this.#pending.runningCount);
  /** Instances are being ended for good: the core has nothing more to decide about them. */
  #isClosing = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#pending = options.pending;
    const { socketPath, welcome, pressureShares, silenceMsMax, tokenOf, clock, log } = options;
    this.#loop = new CoreLoop({
      control: options.control,
      clock,
      perform: (command) => this.#perform(command),
      onHandled: (event) => {
        if (event.kind === "InvocationCancelled") this.#pending.forgetCancelled(event.invocationId);
      },
    });
    this.#wallClock = new WallClock(clock, (offsetMs) => this.feed({ kind: "WallClockSet", offsetMs }));
    this.#endpoint = new AgentEndpoint({
      socketPath,
      welcome,
      pressureShares,
      silenceMsMax,
      tokenOf,
      clock,
      log,
      mayJoin: (instanceId) =>
        !this.#ending.has(instanceId) && (this.#launched.has(instanceId) || options.leftOver.has(instanceId)),
      onJoin: (report, keptInvocationIds) => this.#joined(report, keptInvocationIds),
      onMessage: (instanceId, message, payload) => this.#heard(instanceId, message, payload),
      onLost: (instanceId, reason) => this.#lost(instanceId, reason),
    });
  }

  /** Opens the agents' socket; the pools fill from now on. */
  async start(): Promise<void> {
    const { provider } = this.#options;
    provider.watch({
      onOffers: (offers) => this.#feedUnlessClosing({ kind: "OffersChanged", offers }),
      onAtRisk: (instanceId, reason) => this.#feedUnlessClosing({ kind: "InstanceAtRisk", instanceId, reason }),
      onReclaim: (instanceId, deadlineMs, reason) =>
        this.#feedUnlessClosing({ kind: "ReclaimNoticed", instanceId, deadlineMs, reason }),
      onExit: (instanceId, reason) => this.#exited(instanceId, reason),
    });
    this.feed({ kind: "OffersChanged", offers: provider.offers() });
    this.#wallClock.start();
    await this.#endpoint.listen();
  }

  /** The connection of an agent on another host, as the remote endpoint hands it over. */
  acceptAgent(socket: Socket): void {
    this.#endpoint.accept(socket);
  }

  /** Begins to keep the pools at their targets. Call it when instances of an earlier server had time to join. */
  keepPools(): void {
    this.#loop.keepTime();
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#endpoint.isJoined(instanceId);
  }

  /** Runs an invocation. `answer` is called once, never before this returns. @returns cancel. */
  run(request: InvokeRequest, mode: InvocationMode, retries: number, answer: Answer): () => void {
    const { id, version } = request;
    const trace = this.#options.tracer?.begin({ request, mode, retries });
    this.#pending.add({ request, retries, mode, answer, trace });
    const { accountId, key: functionKey, runtime, memoryMiB } = version;
    this.#versions.set(functionKey, version);
    const deadlineMs = request.deadlineMs === undefined ? undefined : request.deadlineMs - this.#wallClock.offsetMs;
    const sized = sizedVersionOf(version);
    const inputBytes = request.payload.length;
    const invocation = { id, accountId, functionKey, runtime, memoryMiB, mode, deadlineMs, sized, inputBytes };
    this.feed({ kind: "InvocationArrived", invocation });
    return () => this.#cancel(id);
  }

  /** The core may want it loaded ahead of its first call. */
  remember(version: FunctionVersion): void {
    this.#versions.set(version.key, version);
  }

  retire(functionKey: FunctionKey): void {
    this.#versions.delete(functionKey);
    this.feed({ kind: "FunctionRetired", functionKey });
  }

  /** Takes nothing new, waits up to `graceMs` or until `hurry` for what runs, then ends every instance. */
  async shutdown(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.feed({ kind: "ShutdownBegan" });
    const { runningCount } = this.#pending;
    if (runningCount > 0) this.#options.log.info({ running: runningCount, graceMs }, "waiting for running invocations");
    await this.#idle.within(graceMs, hurry);
    this.#isClosing = true;
    this.#loop.stop();
    this.#wallClock.stop();
    this.#pending.cutOff();
    const { provider, log, endingMsMax = ENDING_MS_MAX } = this.#options;
    // A provider that fails or hangs does not keep the server from ending.
    const step = <T>(promise: Promise<T>, failure: string) =>
      inTime(promise, endingMsMax).catch(
        (error: unknown) => void log.error({ error, ending: [...this.#ending.keys()] }, failure),
      );
    const listed = (await step(provider.list(), "the provider's instances could not be listed")) ?? [];
    const instanceIds = new Set([...this.#endpoint.joined(), ...this.#launched, ...listed]);
    for (const instanceId of instanceIds) this.endInstance(instanceId, "the server shuts down");
    await step(Promise.all(this.#ending.values()), "instances could not be ended, the next server ends them");
    this.#endpoint.close();
    await step(provider.close(), "the provider could not clean up");
  }

  #feedUnlessClosing(event: Event): void {
    if (!this.#isClosing) this.feed(event);
  }

  feed(event: Event): void {
    this.#loop.feed(event);
  }

  #perform(command: Command): void {
    switch (command.kind) {
      case "RunInvocation":
        return this.#runLeased(command.lease);
      case "RejectInvocation":
        return this.#reject(command.invocation.id, command.code);
      case "LaunchInstance":
        return void this.#launch(command);
      case "TerminateInstance":
        return this.endInstance(command.instanceId, command.reason);
      case "AssignInstance": {
        const { instanceId, accountId } = command;
        this.claims.assigned(instanceId, accountId);
        return this.#options.log.info({ instanceId, accountId }, "instance assigned to its account");
      }
      case "CreateContainer": {
        const { instanceId, containerId, runtime } = command;
        this.#options.log.debug({ instanceId, containerId, runtime, reason: command.reason }, "making a container");
        return this.#send(instanceId, { kind: "createContainer", containerId, runtime });
      }
      case "PrewarmContainer":
        return this.#prewarm(command);
      case "DestroyContainer": {
        const { instanceId, containerId, reason } = command;
        this.#options.log.debug({ instanceId, containerId, reason }, "container given up");
        return this.#send(instanceId, { kind: "destroyContainer", containerId });
      }
      default:
        command satisfies never;
    }
  }

  /** To an agent that is gone nothing is sent: its loss is on the way, or was, as an event. */
  #send(instanceId: InstanceId, message: ServerMessage, payload?: Buffer): void {
    this.#endpoint.send(instanceId, message, payload);
  }

  #runLeased(lease: Lease): void {
    const pending = this.#pending.get(lease.invocation.id);
    assert(pending !== undefined, "what runs is pending");
    pending.lease = lease;
    const { version, payload, sink } = pending.request;
    const waitedMs = this.#options.clock.monotonicMs() - pending.arrivedMs;
    pending.waitedMs = waitedMs;
    if (waitedMs > WAIT_MS_MIN) this.#options.metrics.observeWait(waitedMs);
    if (sink !== undefined) pending.stream = this.#streamTo(sink, lease);
    const isCold = lease.start === "cold";
    const isTold = isCold && this.#endpoint.tellsBegun(lease.instanceId);
    const assignment = isCold ? this.#assign(lease, version, "on-demand", pending.tail) : undefined;
    this.#send(lease.instanceId, runMessageOf(lease, pending, assignment, isTold), payload);
    // What a function writes in its init stands before START, as on Lambda.
    if (!isTold) this.#logStart(pending, lease);
  }

  #logStart(pending: PendingInvocation, lease: Lease): void {
    const { request, retries } = pending;
    if (!pending.isStartLogged) this.#appendLog(pending, lease, startLine(request.id, request.version, retries));
    pending.isStartLogged = true;
  }

  #streamTo(sink: ResponseSink, { id: leaseId, instanceId, containerId }: Lease): StreamedAnswer {
    return new StreamedAnswer(sink, (bytes) => this.#send(instanceId, { kind: "credit", containerId, leaseId, bytes }));
  }

  #prewarm(command: Extract<Command, { kind: "PrewarmContainer" }>): void {
    const { instanceId, containerId, functionKey, reason } = command;
    const version = this.#versions.get(functionKey);
    this.#options.log.debug({ instanceId, containerId, functionKey, reason }, "loading a function ahead of its call");
    if (version !== undefined) {
      const assignment = this.#assign(command, version, "provisioned-concurrency");
      return this.#send(instanceId, { kind: "prewarm", containerId, assignment });
    }
    // It was deleted meanwhile: the container goes, as one that failed would.
    this.#send(instanceId, { kind: "destroyContainer", containerId });
  }

  /** The container becomes the function's. @param tail of the call that it is for; undefined: of none, or nobody wants it. */
  #assign(
    to: Pick<Lease, "instanceId" | "containerId" | "grant">,
    version: FunctionVersion,
    type: InitializationType,
    tail?: LogTail,
  ): Assignment {
    this.claims.given(to.instanceId, archivesOf(version));
    const logStream = this.#options.logs.begin(to.instanceId, to.containerId, version, type, tail);
    return assignmentOf(version, to.grant, logStream, this.#options);
  }

  #appendLog({ request, tail }: PendingInvocation, { instanceId, containerId }: Lease, text: string): void {
    this.#options.logs.platform(instanceId, containerId, request.version, text);
    tail?.append(Buffer.from(text));
  }

  #reject(id: InvocationId, code: ErrorCode): void {
    this.#options.metrics.countRejection(code);
    const answer: InvokeAnswer = { kind: "rejected", code };
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    // A caller is never answered before its call of `run` has returned.
    queueMicrotask(() => {
      if (pending === undefined) this.#options.onOrphan(id, answer, () => {});
      else pending.answer(answer, () => {});
      if (pending !== undefined) this.#pending.endTrace(pending, answer);
    });
    this.#idle.check();
  }

  #cancel(id: InvocationId): void {
    this.#pending.get(id)?.stream?.abandon();
    if (this.#pending.get(id)?.lease === undefined) this.feed({ kind: "InvocationCancelled", invocationId: id });
  }

  async #launch(command: Extract<Command, { kind: "LaunchInstance" }>): Promise<void> {
    const { instanceId, offerId, subPool, shape, bidUsdPerHour, reason } = command;
    const { provider, socketPath, tokenOf, log } = this.#options;
    log.info({ instanceId, offerId, ...shape, reason }, "launching an instance");
    this.#launched.add(instanceId);
    this.claims.ordered(command);
    try {
      const token = tokenOf(instanceId);
      await provider.launch({
        instanceId,
        offerId,
        subPool,
        shape,
        bidUsdPerHour,
        serverSocketPath: socketPath,
        token,
      });
      this.#endIfGivenUp(instanceId);
    } catch (error) {
      log.error({ instanceId, offerId, error }, "an instance could not be launched");
      this.#launched.delete(instanceId);
      const isShort = error instanceof HearthError && error.code === "INSUFFICIENT_CAPACITY";
      this.feed({ kind: "LaunchFailed", instanceId, code: isShort ? "INSUFFICIENT_CAPACITY" : "LAUNCH_FAILED" });
    }
  }

  /** A launch that took so long that its instance was ended meanwhile may have missed that end. */
  #endIfGivenUp(instanceId: InstanceId): void {
    const ending = this.#ending.get(instanceId);
    if (ending === undefined && this.#launched.has(instanceId)) return;
    void (ending ?? Promise.resolve()).then(() =>
      this.endInstance(instanceId, "it was given up before it was launched"),
    );
  }

  /** A joined agent's end is noticed by its connection; before that, this is how a failed start is. */
  #exited(instanceId: InstanceId, reason: string): void {
    if (!this.#ending.has(instanceId) && !this.#endpoint.isJoined(instanceId)) this.#lost(instanceId, reason);
  }

  /** Ends an instance, known to the core or not, and tells the core when it is gone. */
  endInstance(instanceId: InstanceId, reason: string): void {
    if (this.#ending.has(instanceId)) return;
    this.#options.log.info({ instanceId, reason }, "ending an instance");
    const dismissed = this.#endpoint.dismiss(instanceId, reason);
    const terminated = dismissed.then(() => terminateInstance(instanceId, this.#options));
    const ended = terminated.then(() => {
      this.#ending.delete(instanceId);
      this.#launched.delete(instanceId);
      this.#forgetAnnounced(instanceId);
      if (!this.#isClosing) this.feed({ kind: "InstanceLost", instanceId, reason });
    });
    this.#ending.set(instanceId, ended);
  }

  #joined(said: InstanceReport, keptInvocationIds: readonly InvocationId[]): void {
    const { log, onAdopted } = this.#options;
    log.info({ instanceId: said.instanceId, containers: said.containers.length }, "an agent joined");
    const { report, adopted } = this.claims.joined(said, keptInvocationIds);
    for (const id of adopted) onAdopted(id);
    this.#options.logs.adopt(report);
    this.feed({ kind: "InstanceJoined", report });
  }

  #lost(instanceId: InstanceId, reason: string): void {
    this.#options.log.warn({ instanceId, reason }, "an instance was lost");
    this.#forgetAnnounced(instanceId);
    this.feed({ kind: "InstanceLost", instanceId, reason });
  }

  /** Announced results that will not come any more count as lost with their instance. */
  #forgetAnnounced(instanceId: InstanceId): void {
    this.#options.logs.instanceGone(instanceId);
    for (const id of this.claims.forget(instanceId)) {
      this.#options.onOrphan(id, { kind: "rejected", code: "INSTANCE_LOST" }, () => {});
    }
  }

  #heard(instanceId: InstanceId, message: AgentMessage, payload: Buffer): void {
    switch (message.kind) {
      case "finished":
        return this.#finished(instanceId, message, payload);
      case "chunk":
        return this.#streamed(instanceId, message, payload);
      case "begun":
        return this.#begun(instanceId, message);
      case "log":
        return this.#logged(instanceId, message, payload);
      case "containerReady":
        return this.#ready(instanceId, message);
      case "prewarmed":
        return this.feed({ kind: "ContainerPrewarmed", instanceId, containerId: message.containerId });
      case "containerGone": {
        const { containerId, reason } = message;
        this.#options.log.debug({ instanceId, containerId, reason }, "container gone");
        this.#options.logs.containerGone(instanceId, containerId);
        return this.feed({ kind: "ContainerGone", instanceId, containerId, reason });
      }
      case "containerResized": {
        const { containerId, memoryMiB } = message;
        this.#options.log.info({ instanceId, containerId, memoryMiB }, "a container's limit was raised");
        return this.feed({ kind: "ContainerResized", instanceId, containerId, memoryMiB });
      }
      case "pressure": {
        const { memoryUsedMiB } = message;
        this.#options.log.info({ instanceId, memoryUsedMiB }, "the memory that an instance really uses");
        return this.feed({ kind: "InstancePressure", instanceId, memoryUsedMiB });
      }
      case "hello":
      case "heartbeat":
        return;
      default:
        message satisfies never;
    }
  }

  #streamed(instanceId: InstanceId, message: Extract<AgentMessage, { kind: "chunk" }>, bytes: Buffer): void {
    const pending = this.#pending.get(message.invocationId);
    const isOwn = pending?.lease?.id === message.leaseId && pending.lease.instanceId === instanceId;
    // Of an attempt whose loss was answered long ago, or another's: nobody waits for it.
    if (!isOwn || pending.stream === undefined) return;
    if (pending.stream.receive(bytes, message.contentType)) return;
    this.#options.log.error({ instanceId }, "an agent sent more of a response than it may: PROTOCOL_VIOLATION");
    this.endInstance(instanceId, "its agent broke the protocol: more of a response than it may send");
  }

  #ready(instanceId: InstanceId, message: Extract<AgentMessage, { kind: "containerReady" }>): void {
    const { containerId, memoryBytes } = message;
    const memoryMiB = memoryBytes === undefined ? undefined : memoryBytes / MIB;
    this.feed({ kind: "ContainerReady", instanceId, containerId, memoryMiB });
  }

  #begun(instanceId: InstanceId, { invocationId, leaseId }: Extract<AgentMessage, { kind: "begun" }>): void {
    const pending = this.#pending.get(invocationId);
    if (pending?.lease?.id === leaseId && pending.lease.instanceId === instanceId)
      this.#logStart(pending, pending.lease);
  }

  #finished(instanceId: InstanceId, message: Extract<AgentMessage, { kind: "finished" }>, payload: Buffer): void {
    const { leaseId, invocationId, outcome, containerUsable, exit, initUs } = message;
    const pending = this.#pending.get(invocationId);
    // Machines of others tell the time they bill for: never more than has passed here.
    const passedMs = this.#options.clock.monotonicMs() - (pending?.arrivedMs ?? Number.NEGATIVE_INFINITY);
    const wallUs = Math.min(message.wallUs, passedMs * 1000);
    const usage = reportedUsage(message, wallUs);
    const acknowledge = () => this.#send(instanceId, { kind: "ack", leaseId });
    const own = pending?.lease?.id === leaseId && pending.lease.instanceId === instanceId ? pending : undefined;
    const adopted = own === undefined ? this.claims.takeResult(instanceId, invocationId, leaseId) : undefined;
    if (own?.lease !== undefined) {
      this.#pending.delete(invocationId);
      const { lease } = own;
      const ended = () => {
        this.#logStart(own, lease);
        this.#appendLog(own, lease, endLines(invocationId, own.request.version, outcome, payload, exit, usage));
        return own.tail?.read();
      };
      // The log follows the answer, unless the answer carries it.
      const logTail = own.tail === undefined ? undefined : ended();
      const answer: InvokeAnswer = { kind: "finished", outcome, payload, exit, usage, logTail };
      own.answer(answer, acknowledge);
      if (own.tail === undefined) ended();
      this.#pending.endTrace(own, answer);
      this.#options.metrics.observeInvocation(outcome, lease.start, usage);
    } else if (pending === undefined && adopted !== undefined) {
      const answer: InvokeAnswer = { kind: "finished", outcome, payload, exit, usage, logTail: undefined };
      this.#options.onOrphan(invocationId, answer, acknowledge);
    } else acknowledge(); // Of an attempt whose loss was answered long ago, or another's.
    if (own === undefined && adopted !== "running") return;
    const initMs = initUs === undefined ? undefined : initUs / 1000;
    this.feed({ kind: "InvocationFinished", leaseId, outcome, containerUsable, wallMs: wallUs / 1000, initMs, usage });
    this.#idle.check();
  }

  #logged(instanceId: InstanceId, message: Extract<AgentMessage, { kind: "log" }>, text: Buffer): void {
    const { containerId, functionKey, invocationId } = message;
    const pending = invocationId === undefined ? undefined : this.#pending.get(invocationId);
    if (pending?.lease?.instanceId === instanceId) pending.tail?.append(text);
    if (functionKey === undefined) return; // A blank container has nobody to write for.
    const [accountId = "", functionName] = functionKey.split("/", 2);
    if (functionName === undefined || !this.claims.serves(instanceId, accountId)) return;
    this.#options.logs.write(instanceId, containerId, functionKey, text);
  }
}
