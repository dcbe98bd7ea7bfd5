import type { ContainerId, LeaseId } from "../model/ids.ts";
import type { ContainerReport } from "../model/instance.ts";
import { type Outcome, UNMEASURED } from "../model/invocation.ts";
import { RESPONSE_BYTES_MAX } from "../model/response-limit.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import { type AgentLog, reasonOf } from "./agent-log.ts";
import type { ContainerBackend, ContainerExit, ContainerHandle, ContainerUsage } from "./container-backend.ts";
import { type ContainerBody, closeBody, environmentOf, openBody } from "./container-body.ts";
import { type ContainerState, type Run, runOf } from "./container-state.ts";
import type { AnswerOutcome, InvokeOrder, OwnUsage } from "./drivers/runtime-driver.ts";
import { exitText } from "./exit-text.ts";
import type { ShutdownReason } from "./extensions/extension.ts";
import { type ExtensionFailure, ExtensionHost } from "./extensions/extension-host.ts";
import type { InitializationType } from "./function-environment.ts";
import type { FunctionLog } from "./function-log.ts";
import { initReport } from "./init-report.ts";
import { phaseEnd } from "./phase-end.ts";
import { agentFault, type RunOrder, type RunResult } from "./run-result.ts";
import type { SpareEndpoint } from "./spare-endpoint.ts";
import { soon } from "./stream-end.ts";
import { StreamedResponse } from "./streamed-response.ts";

/** Lambda's limit of the init phase; an init over it is repeated as part of the invocation. */
export const INIT_MS_MAX = 10_000;
/**
 * The first execution has the instance's processors for this long, as the init before it had: its code is cold too, see
 * docs/design/0006-cpu.md. Between a prewarm and its first run the container has them until it is frozen.
 */
const FIRST_RUN_BOOST_MS = 100;
/** From the order to make a container until its runtime waits for a function. */
const CREATE_MS_MAX = 60_000;
const EMPTY = Buffer.alloc(0);

/** What a container needs of the agent around it. */
export type ContainerWorld = {
  readonly backend: ContainerBackend;
  readonly log: AgentLog;
  readonly initMsMax: number;
  readonly spareEndpoint: Pick<SpareEndpoint, "take">;
  freezeAfterMs(): number;
  blankMemoryMiB(): number;
  /** @param memoryBytes that it holds; undefined: cannot tell. */
  onReady(container: Container, startMs: number, memoryBytes: number | undefined): void;
  onPrewarmed(container: Container, initUs: number): void;
  onChunk(order: RunOrder, bytes: Buffer, contentType: string | undefined): void;
  onResized(container: Container, memoryMiB: number): void;
  onFinished(order: RunOrder, result: RunResult, payload: Buffer): void;
  onGone(container: Container, reason: string): void;
};

/**
 * One container of the instance, from its start to its end; its states are those of `ContainerState`.
 * `#enter` is the only place that changes the state.
 */
export class Container {
  readonly id: ContainerId;
  readonly runtime: RuntimeName;
  readonly #world: ContainerWorld;
  readonly #log: FunctionLog;
  #state: ContainerState;
  #body: ContainerBody | undefined;
  /** Settles when no body is being made or replaced. */
  #starting: Promise<void>;
  #assignment: Assignment | undefined;
  /** The server counts on it as blank or idle, and need not be told again. */
  #isAnnounced = false;
  /** Of the container's start, and later of its init. */
  #startTimer: NodeJS.Timeout;
  /** Re-armed for each execution; what it means when it fires depends on the state. */
  #deadlineTimer: NodeJS.Timeout | undefined;
  #freezeTimer: NodeJS.Timeout | undefined;
  #boostTimer: NodeJS.Timeout | undefined;
  /** What is done once the extensions are ready: the end of init or of the execution, as far as the runtime goes. */
  #afterExtensions: (() => void) | undefined;
  #end: Promise<void> | undefined;

  constructor(id: ContainerId, runtime: RuntimeName, log: FunctionLog, world: ContainerWorld) {
    this.id = id;
    this.runtime = runtime;
    this.#log = log;
    this.#world = world;
    this.#state = { name: "creating", beganMs: performance.now(), next: undefined };
    this.#startTimer = setTimeout(() => this.#endBecause(`not blank within ${CREATE_MS_MAX} ms`), CREATE_MS_MAX);
    this.#starting = this.#start();
  }

  /** What the agent tells a server that it joins; undefined when there is nothing to adopt. */
  report(): ContainerReport | undefined {
    const { id: containerId, runtime } = this;
    const run = runOf(this.#state);
    if (this.#isOver() && run === undefined) return undefined;
    this.#isAnnounced = true;
    if (this.#assignment === undefined) return { state: "blank", containerId, runtime };
    const { functionKey, memoryMiB, reservedMiB } = this.#assignment;
    if (run === undefined) return { state: "idle", containerId, runtime, functionKey, memoryMiB, reservedMiB };
    const { leaseId, invocationId } = run.order;
    return { state: "running", containerId, runtime, functionKey, memoryMiB, reservedMiB, leaseId, invocationId };
  }

  /** @throws Error when the container's state does not allow this run: the server broke the protocol. */
  run(order: RunOrder, payload: Buffer): void {
    const stream = order.stream === true ? new StreamedResponse() : undefined;
    const run: Run = { order, payload, beganMs: undefined, initUs: undefined, stream, answer: undefined };
    if (this.#isOver()) this.#world.onFinished(order, agentFault(), EMPTY);
    else if (order.assignment === undefined) this.#runWarm(run);
    else this.#take(run, order.assignment);
  }

  /** Loads a function ahead of its first run. @throws Error when the container is not blank: the server broke the protocol. */
  prewarm(assignment: Assignment): void {
    // That it is over is announced, or will be.
    if (this.#isOver()) return;
    this.#take("prewarm", assignment);
    this.#isAnnounced = false;
  }

  /** So many bytes of what the run of this lease streams were taken; too late for one that has ended. */
  credit(leaseId: LeaseId, bytes: number): void {
    const run = runOf(this.#state);
    if (run?.order.leaseId === leaseId) this.#passCredit(run.order, run.stream?.credit(bytes) ?? 0);
  }

  /** Nobody is there any more to take what is streamed: the function runs on as if it were taken. */
  abandonStream(): void {
    const run = runOf(this.#state);
    if (run?.stream !== undefined) this.#passCredit(run.order, run.stream.abandon());
  }

  #passCredit({ invocationId }: RunOrder, bytes: number): void {
    if (bytes > 0 && this.#state.name === "running") this.#body?.driver.credit(invocationId, bytes);
  }

  #runWarm(run: Run): void {
    const state = this.#state;
    if (state.name === "idle" || state.name === "frozen") this.#invoke(run);
    else if (state.name === "prewarming") this.#enter({ name: "initialising", run, beganMs: state.beganMs });
    else if (state.name === "creating" && state.next === "prewarm") this.#enter({ ...state, next: run });
    else throw new Error(`run for container ${this.id}, which is ${state.name}`);
  }

  #take(first: Run | "prewarm", assignment: Assignment): void {
    const state = this.#state;
    const isFree = state.name === "blank" || (state.name === "creating" && state.next === undefined);
    if (!isFree) throw new Error(`assignment for container ${this.id}, which is ${state.name}`);
    const { memoryMiB, requestedMemoryMiB = memoryMiB } = assignment;
    this.#assignment = { ...assignment, requestedMemoryMiB };
    if (state.name === "blank") this.#assign(first);
    else this.#enter({ ...state, next: first });
  }

  /** Kills everything in it; resolves when nothing is left. */
  destroy(reason: string): Promise<void> {
    this.#endBecause(reason, "spindown");
    return this.#end as Promise<void>;
  }

  #isOver(): boolean {
    return this.#state.name === "ending" || this.#state.name === "gone";
  }

  #enter(state: ContainerState): void {
    this.#state = state;
    const run = runOf(state);
    this.#log.attribute(this.#assignment?.functionKey, run?.order.invocationId);
    if (state.name === "idle") this.#freezeTimer?.refresh();
  }

  // ── Start ──────────────────────────────────────────────────────────────────────────────────

  async #start(): Promise<void> {
    try {
      const memoryMiB = this.#assignment?.memoryMiB ?? this.#world.blankMemoryMiB();
      const handle = await this.#world.backend.create(this.id, this.runtime, memoryMiB);
      if (this.#isOver()) return void (await handle.destroy());
      this.#body = this.#open(handle);
    } catch (cause) {
      this.#fault("start", cause);
    }
  }

  /** Events of a body that was replaced or given up reach nobody; its last output still belongs to the container. */
  #open(handle: ContainerHandle): ContainerBody {
    const isCurrent = () => this.#body === body && !this.#isOver();
    const body: ContainerBody = openBody(handle, this.runtime, {
      onBlank: () => isCurrent() && this.#onBlank(),
      onInitDone: (initUs) => isCurrent() && this.#onInitDone(initUs),
      onInitError: (payload) => isCurrent() && this.#onInitError(payload),
      onChunk: (requestId, bytes, contentType) => isCurrent() && this.#onChunk(requestId, bytes, contentType),
      onAnswer: (requestId, outcome, payload, isFatal, own) => {
        if (isCurrent()) this.#onAnswer(requestId, outcome, payload, isFatal, own);
      },
      onLog: (text) => {
        if (this.#body !== body) return;
        this.#log.write(text, handle.channel);
        body.extensions?.functionMessage(text);
      },
      onViolation: (reason) => isCurrent() && this.#onViolation(reason),
      onRequest: (request, response) => {
        if (this.#body === body && body.extensions !== undefined) body.extensions.handle(request, response);
        else response.destroy();
      },
      onOutput: (text) => {
        this.#log.write(text, handle.output);
        body.extensions?.functionOutput(text);
      },
      onExit: (exit) => isCurrent() && this.#onExit(exit),
      onExitUnknown: (cause) => isCurrent() && this.#fault("exit", cause),
    });
    return body;
  }

  #onBlank(): void {
    const state = this.#state;
    if (state.name === "repeating") this.#guarded("repeat init", () => this.#init("on-demand"));
    else if (state.name === "creating") this.#becomeBlank(state);
    else this.#onViolation("blank twice");
  }

  #becomeBlank(state: Extract<ContainerState, { name: "creating" }>): void {
    clearTimeout(this.#startTimer);
    this.#enter({ name: "blank" });
    if (state.next !== undefined) return this.#assign(state.next);
    if (this.#isAnnounced) return;
    this.#world.onReady(this, performance.now() - state.beganMs, this.#readUsage()?.memoryPeakBytes);
    this.#isAnnounced = true;
  }

  // ── Init ───────────────────────────────────────────────────────────────────────────────────

  #assign(first: Run | "prewarm"): void {
    const beganMs = performance.now();
    const isPrewarm = first === "prewarm";
    this.#enter(isPrewarm ? { name: "prewarming", beganMs } : { name: "initialising", run: first, beganMs });
    this.#guarded("assign", () => {
      this.#startTimer = setTimeout(() => this.#onInitOverrun(), this.#world.initMsMax);
      this.#init(isPrewarm ? "provisioned-concurrency" : "on-demand");
      this.#deadlineTimer = setTimeout(() => this.#onDeadline(), (this.#assignment as Assignment).timeoutMs);
      this.#freezeTimer = setTimeout(() => this.#onFreezeDue(), this.#world.freezeAfterMs());
    });
  }

  #init(initializationType: InitializationType): void {
    const body = this.#body as ContainerBody;
    const { handle, driver } = body;
    const assignment = this.#assignment as Assignment;
    const isCurrent = () => this.#body === body && !this.#isOver();
    handle.assign(assignment, (memoryMiB) => isCurrent() && this.#onResized(memoryMiB));
    let environment: Readonly<Record<string, string>>;
    const phase = this.#state.name === "repeating" ? "invoke" : "init";
    const facts = { containerId: this.id, assignment, initializationType, phase } as const;
    const extensions = new ExtensionHost(handle, facts, this.#log, {
      onRegistered: () => {
        if (!isCurrent()) return;
        const { handler, memoryMiB } = assignment;
        const order = { environment, handler, taskRoot: handle.taskRoot, memoryMiB };
        this.#guarded("init", () => driver.init(order));
      },
      onReady: () => isCurrent() && this.#onExtensionsReady(),
      onFailed: (failure) => isCurrent() && this.#onExtensionFailed(failure),
    });
    body.extensions = extensions;
    this.#withRuntimeApi(body, (runtimeApi) => {
      if (!isCurrent()) return;
      environment = environmentOf(body, this.runtime, assignment, initializationType, runtimeApi);
      extensions.begin(environment);
    });
  }

  #withRuntimeApi(body: ContainerBody, use: (runtimeApi: string | undefined) => void): void {
    const { handle, driver } = body;
    if (driver.runtimeApi !== undefined) return use(driver.runtimeApi);
    this.#world.spareEndpoint.take((endpoint) => {
      if (this.#body !== body || this.#isOver()) return void endpoint?.close();
      body.endpoint = endpoint;
      endpoint?.serve(handle.hostUid, (request, response) => body.extensions?.handle(request, response));
      use(endpoint === undefined ? undefined : `127.0.0.1:${endpoint.port}`);
    });
  }

  #onInitDone(reportedUs: number | undefined): void {
    const { extensions } = this.#body as ContainerBody;
    if (extensions?.isRegistrationOpen !== true) return this.#onViolation("initDone outside init");
    extensions.runtimeInitialised();
    if (extensions.isReady) this.#initialised(extensions.isActive ? undefined : reportedUs);
    else this.#afterExtensions = () => this.#initialised(undefined);
  }

  /** @param reportedUs what the runtime says that it took. undefined: it does not say, or was not alone. */
  #initialised(reportedUs: number | undefined): void {
    const state = this.#state;
    const extensions = this.#body?.extensions;
    if (state.name === "repeating") {
      extensions?.initialised(microsecondsSince(state.run.beganMs as number));
      this.#invoke(state.run);
    } else if (state.name === "initialising" || state.name === "prewarming") {
      clearTimeout(this.#startTimer);
      // The runtime leaves out its own overhead; it cannot make the time longer than it was.
      const measuredUs = microsecondsSince(state.beganMs);
      const initUs = reportedUs === undefined ? measuredUs : Math.max(0, Math.min(reportedUs, measuredUs));
      extensions?.initialised(initUs);
      if (state.name === "prewarming") return this.#becomePrewarmed(initUs);
      state.run.initUs = initUs;
      this.#invoke(state.run);
    } else {
      this.#onViolation("initDone outside init");
    }
  }

  #becomePrewarmed(initUs: number): void {
    this.#enter({ name: "idle" });
    if (!this.#isAnnounced) this.#world.onPrewarmed(this, initUs);
    this.#isAnnounced = true;
  }

  #limitCpu(): void {
    if (this.#isOver()) return;
    try {
      this.#body?.handle.limitCpu();
    } catch (cause) {
      this.#fault("limit CPU", cause);
    }
  }

  /** An init that is repeated begins with the limit that the one before it came to. */
  #onResized(memoryMiB: number): void {
    this.#assignment = { ...(this.#assignment as Assignment), memoryMiB };
    this.#world.onResized(this, memoryMiB);
  }

  #onInitError(payload: Buffer): void {
    const state = this.#state;
    const isInit = state.name === "initialising" || state.name === "repeating" || state.name === "prewarming";
    const isTooLarge = payload.length > RESPONSE_BYTES_MAX;
    const outcome = isTooLarge ? "responseTooLarge" : "initError";
    if (isInit) this.#fail(outcome, "the function's init failed", isTooLarge ? EMPTY : payload);
    else this.#onViolation("initError outside init");
  }

  #onInitOverrun(): void {
    const state = this.#state;
    if (state.name === "prewarming") this.#finishAndEnd("timeout", `init over ${this.#world.initMsMax} ms`, EMPTY);
    else if (state.name === "initialising") this.#repeatInit(state, "timeout", EMPTY);
  }

  /** Something in the container failed. An init that fails for the first time is repeated as part of the invocation, as on Lambda. */
  #fail(outcome: Outcome, reason: string, payload: Buffer, exit?: string): void {
    const state = this.#state;
    if (state.name === "initialising") this.#repeatInit(state, outcome, payload);
    else this.#finishAndEnd(outcome, reason, payload, exit);
  }

  #repeatInit(
    { run, beganMs }: Extract<ContainerState, { name: "initialising" }>,
    outcome: Outcome,
    payload: Buffer,
  ): void {
    const body = this.#body as ContainerBody;
    body.extensions?.initFailed(microsecondsSince(beganMs), phaseEnd(outcome, payload));
    this.#logFailedInit(beganMs, outcome, payload);
    clearTimeout(this.#startTimer);
    this.#body = undefined;
    this.#afterExtensions = undefined;
    run.beganMs = performance.now();
    this.#enter({ name: "repeating", run });
    this.#deadlineTimer?.refresh();
    // The id is free again only when everything of the first one is gone.
    this.#starting = resetBody(body, outcome === "timeout" ? "timeout" : "failure").then(
      () => (this.#state.name === "repeating" ? this.#start() : undefined),
      (cause: unknown) => this.#fault("destroy", cause),
    );
  }

  #logFailedInit(beganMs: number, outcome: Outcome, payload: Buffer): void {
    // Timers may fire a fraction early.
    const initUsMin = outcome === "timeout" ? this.#world.initMsMax * 1000 : 0;
    const report = initReport(Math.max(microsecondsSince(beganMs), initUsMin), outcome, payload);
    if (report !== undefined) this.#log.write(Buffer.from(report));
  }

  // ── Execution ──────────────────────────────────────────────────────────────────────────────

  #invoke(run: Run): void {
    const isFrozen = this.#state.name === "frozen";
    this.#enter({ name: "running", run });
    this.#boostTimer ??= setTimeout(() => this.#limitCpu(), FIRST_RUN_BOOST_MS);
    const { handle, driver, extensions } = this.#body as ContainerBody;
    try {
      if (isFrozen) this.#thaw();
      const order = this.#invokeOrder(run);
      if (extensions?.isActive === true) extensions.invoke(order);
      driver.invoke(order, run.payload);
      // Counted from here: the container needs longer to wake up than this takes, so the call need not wait for it.
      handle.beginUsage();
      run.payload = EMPTY;
    } catch (cause) {
      this.#fault("invoke", cause);
    }
  }

  /** Starts the clock of the execution, unless a repeated init has started it. */
  #invokeOrder(run: Run): InvokeOrder {
    const { order } = run;
    let leftMs = (this.#assignment as Assignment).timeoutMs;
    if (run.beganMs === undefined) {
      run.beganMs = performance.now();
      this.#deadlineTimer?.refresh();
    } else {
      leftMs -= Math.round(performance.now() - run.beganMs);
    }
    return {
      requestId: order.invocationId,
      deadlineMs: Date.now() + leftMs,
      invokedArn: order.invokedArn,
      traceId: order.traceId ?? "",
      clientContext: order.clientContext,
      retries: order.retries,
      stream: order.stream,
    };
  }

  #onChunk(requestId: string, bytes: Buffer, contentType: string | undefined): void {
    const run = this.#state.name === "running" ? this.#state.run : undefined;
    if (run?.stream === undefined || run.answer !== undefined || requestId !== run.order.invocationId) {
      this.#onViolation("a piece of a response that nobody asked for");
      return;
    }
    const wrong = run.stream.send(bytes.length);
    if (wrong !== undefined) this.#onViolation(wrong);
    else if (run.stream.isAbandoned) this.#passCredit(run.order, run.stream.credit(bytes.length));
    else this.#world.onChunk(run.order, bytes, contentType);
  }

  #onAnswer(requestId: string, outcome: AnswerOutcome, payload: Buffer, isFatal: boolean, own: OwnUsage): void {
    const state = this.#state;
    const isExpected = state.name === "running" && !state.run.answer && this.#afterExtensions === undefined;
    if (!isExpected || requestId !== state.run.order.invocationId) {
      this.#onViolation("answer without invocation");
      return;
    }
    const { run } = state;
    const extensions = this.#body?.extensions;
    if (extensions?.isActive === true) extensions.runtimeDone(phaseEnd(outcome, payload), payload.length);
    // The execution is over when the extensions are done too; of one that fails, nothing more is waited for.
    if (isFatal || extensions?.isReady !== false) this.#conclude(run, outcome, payload, isFatal, own);
    else this.#afterExtensions = () => this.#conclude(run, outcome, payload, isFatal, own);
  }

  #conclude(run: Run, outcome: AnswerOutcome, payload: Buffer, isFatal: boolean, own: OwnUsage): void {
    const isTooLarge = payload.length > RESPONSE_BYTES_MAX;
    const result = this.#result(isTooLarge ? "responseTooLarge" : outcome, run, !isFatal, undefined, own);
    const body = isTooLarge ? EMPTY : payload;
    const extensions = this.#body?.extensions;
    if (extensions?.isActive === true) extensions.report(result, phaseEnd(result.outcome, payload));
    if (isFatal) this.#endWith("the function's process failed", () => this.#world.onFinished(run.order, result, body));
    else if (this.#body?.driver.hasOutputBehindAnswers) this.#finishAfterPendingReads(run, result, body);
    else this.#finish(run, result, body);
  }

  #finish(run: Run, result: RunResult, payload: Buffer): void {
    // The container ended meanwhile, which took the answer along.
    if (this.#state.name !== "running" || this.#state.run !== run) return;
    this.#enter({ name: "idle" });
    this.#world.onFinished(run.order, result, payload);
  }

  #result(outcome: Outcome, run: Run, containerUsable: boolean, exit?: string, own?: OwnUsage): RunResult {
    const wallUs = run.beganMs === undefined ? 0 : microsecondsSince(run.beganMs);
    // Timers have whole milliseconds and may fire a fraction early.
    const wallUsMin = outcome === "timeout" ? (this.#assignment as Assignment).timeoutMs * 1000 : 0;
    const usage = run.beganMs === undefined ? undefined : this.#readUsage();
    return {
      ...(usage ?? UNMEASURED),
      outcome,
      containerUsable,
      wallUs: Math.max(wallUs, wallUsMin),
      cpuUs: usage?.cpuUs ?? own?.cpuUs,
      memoryPeakBytes: usage?.memoryPeakBytes ?? own?.memoryBytes,
      initUs: run.initUs,
      exit,
    };
  }

  /** A measurement that fails must not cost the function its answer. */
  #readUsage(): ContainerUsage | undefined {
    try {
      return this.#body?.handle.readUsage();
    } catch (cause) {
      this.#world.log("error", "usage not read", { containerId: this.id, reason: reasonOf(cause) });
      return undefined;
    }
  }

  /** After one whole turn of reading: what was in the pipes when the answer came has been read then. */
  #finishAfterPendingReads(run: Run, result: RunResult, payload: Buffer): void {
    run.answer = { result, payload };
    setImmediate(() => setImmediate(() => this.#finish(run, result, payload)));
  }

  #onExtensionsReady(): void {
    const action = this.#afterExtensions;
    this.#afterExtensions = undefined;
    action?.();
  }

  #onExtensionFailed({ errorType, errorMessage }: ExtensionFailure): void {
    const requestId = runOf(this.#state)?.order.invocationId;
    const message =
      requestId === undefined ? `Error: ${errorMessage}` : `RequestId: ${requestId} Error: ${errorMessage}`;
    this.#log.write(Buffer.from(`${message}\n${errorType}\n`));
    const outcome = this.#state.name === "running" ? "functionError" : "initError";
    const payload = Buffer.from(JSON.stringify({ errorType, errorMessage: message }));
    this.#fail(outcome, `an extension failed: ${message}`, payload);
  }

  #onFreezeDue(): void {
    if (this.#state.name !== "idle") return;
    try {
      this.#body?.handle.freeze();
      this.#body?.extensions?.setFrozen(true);
      this.#enter({ name: "frozen" });
    } catch (cause) {
      this.#fault("freeze", cause);
    }
  }

  #thaw(): void {
    this.#body?.handle.thaw();
    this.#body?.extensions?.setFrozen(false);
  }

  // ── End ────────────────────────────────────────────────────────────────────────────────────

  #onDeadline(): void {
    // It is armed by the last execution; an idle container has nothing to time out.
    if (this.#state.name === "running" || this.#state.name === "repeating") {
      this.#finishAndEnd("timeout", "the function timed out", EMPTY);
    }
  }

  #onExit(exit: ContainerExit): void {
    const text = exitText(exit);
    if (exit.isCrowdedOut) return this.#endBecause("killed below its limit: the instance was out of memory");
    this.#fail(exit.isOutOfMemory ? "outOfMemory" : "exit", `exited: ${text ?? "exit status 0"}`, EMPTY, text);
  }

  #onViolation(reason: string): void {
    this.#world.log("warn", "container broke the protocol", { containerId: this.id, reason });
    this.#finishAndEnd("exit", reason, EMPTY, "signal: killed");
  }

  #fault(what: string, cause: unknown): void {
    const reason = `${what}: ${reasonOf(cause)}`;
    this.#world.log("error", "container failed", { code: "AGENT_FAULT", containerId: this.id, reason });
    this.#endBecause(reason);
  }

  /** Does what may fail for reasons of the host; the run that waits for it is then answered with agentFault. */
  #guarded(what: string, action: () => void): void {
    try {
      action();
    } catch (cause) {
      this.#fault(what, cause);
    }
  }

  #endBecause(reason: string, shutdownReason: ShutdownReason = "failure"): void {
    this.#finishAndEnd("agentFault", reason, EMPTY, undefined, shutdownReason);
  }

  #finishAndEnd(
    outcome: Outcome,
    reason: string,
    payload: Buffer,
    exit?: string,
    shutdownReason: ShutdownReason = outcome === "timeout" ? "timeout" : "failure",
  ): void {
    const state = this.#state;
    const run = runOf(state);
    this.#tellEnd(state, outcome, payload);
    if (run === undefined) {
      // No execution's report will tell of it.
      if (state.name === "prewarming") this.#logFailedInit(state.beganMs, outcome, payload);
      this.#endWith(reason, () => {}, shutdownReason);
    } else {
      const answer = run.answer ?? { result: this.#result(outcome, run, false, exit), payload };
      const result = { ...answer.result, containerUsable: false };
      const extensions = this.#body?.extensions;
      if (run.answer === undefined && extensions?.isActive === true)
        extensions.report(result, phaseEnd(outcome, payload));
      this.#endWith(reason, () => this.#world.onFinished(run.order, result, answer.payload), shutdownReason);
    }
  }

  /** To those who observe it: init, or a repeated one, did not come to its end. */
  #tellEnd(state: ContainerState, outcome: Outcome, payload: Buffer): void {
    if (outcome === "agentFault" || (state.name !== "prewarming" && state.name !== "repeating")) return;
    const beganMs = state.name === "prewarming" ? state.beganMs : (state.run.beganMs as number);
    this.#body?.extensions?.initFailed(microsecondsSince(beganMs), phaseEnd(outcome, payload));
  }

  #endWith(reason: string, answer: () => void, shutdownReason: ShutdownReason = "failure"): void {
    const extensions = this.#body?.extensions;
    if (extensions?.isActive === true) this.#end ??= this.#shutDown(extensions, reason, answer, shutdownReason);
    else this.#end ??= this.#bury(reason, answer);
  }

  /** The shutdown phase; whoever waits for the execution does not wait for it. */
  async #shutDown(
    extensions: ExtensionHost,
    reason: string,
    answer: () => void,
    shutdownReason: ShutdownReason,
  ): Promise<void> {
    const isFrozen = this.#state.name === "frozen";
    this.#stopTimers();
    this.#enter({ name: "ending", run: runOf(this.#state) });
    await turnsOfReading();
    answer();
    this.#enter({ name: "ending", run: undefined });
    try {
      if (isFrozen) this.#thaw();
      await extensions.shutDown(shutdownReason);
    } catch (cause) {
      this.#world.log("error", "shutdown phase failed", { containerId: this.id, reason: reasonOf(cause) });
    }
    await this.#bury(reason, () => {});
  }

  async #bury(reason: string, answer: () => void): Promise<void> {
    const body = this.#body;
    this.#stopTimers();
    this.#enter({ name: "ending", run: runOf(this.#state) });
    if (body !== undefined) closeBody(body);
    const destroyed = body?.handle.destroy();
    destroyed?.catch(() => {});
    await soon(body === undefined ? this.#starting : body.outputEnded);
    this.#enter({ name: "gone" });
    answer();
    try {
      // One that is still being made is destroyed when it is there.
      await (body === undefined ? this.#starting : destroyed);
    } catch (cause) {
      this.#world.log("error", "container not destroyed", { containerId: this.id, reason: reasonOf(cause) });
    }
    this.#world.onGone(this, reason);
  }

  #stopTimers(): void {
    clearTimeout(this.#startTimer);
    clearTimeout(this.#deadlineTimer);
    clearTimeout(this.#freezeTimer);
    clearTimeout(this.#boostTimer);
  }
}

/** Ends a body that another one takes the place of. */
async function resetBody(body: ContainerBody, reason: ShutdownReason): Promise<void> {
  if (body.extensions?.isActive === true) await body.extensions.shutDown(reason);
  closeBody(body);
  await body.handle.destroy();
}

/** What was in the pipes before has been read afterwards. */
function turnsOfReading(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function microsecondsSince(beganMs: number): number {
  return Math.round((performance.now() - beganMs) * 1000);
}
