import type { ContainerId, LeaseId } from "../model/ids.ts";
import type { ContainerReport } from "../model/instance.ts";
import type { Outcome } from "../model/invocation.ts";
import { RESPONSE_BYTES_MAX } from "../model/response-limit.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { InitializationType } from "../protocol/runtime-version.ts";
import { reasonOf } from "./agent-log.ts";
import type { ContainerExit, ContainerHandle, ContainerUsage } from "./container-backend.ts";
import { type ContainerBody, freezeBody, openBody, thawBody, usageOf } from "./container-body.ts";
import { bury, resetBody, shutDown, turnsOfReading } from "./container-end.ts";
import { beginInit } from "./container-init.ts";
import { containerReport } from "./container-report.ts";
import { type ContainerState, isInInit, loading, newRun, type Run, runOf } from "./container-state.ts";
import { ContainerTimers, CREATE_MS_MAX } from "./container-timers.ts";
import type { ContainerWorld } from "./container-world.ts";
import type { AnswerOutcome, OwnUsage } from "./drivers/runtime-driver.ts";
import { initUsOf, microsecondsSince } from "./elapsed.ts";
import { exitText } from "./exit-text.ts";
import type { ShutdownReason } from "./extensions/extension.ts";
import { extensionError } from "./extensions/extension-error.ts";
import type { ExtensionFailure } from "./extensions/extension-host.ts";
import type { FunctionLog } from "./function-log.ts";
import { tellInitFailed } from "./init-failure.ts";
import { invokeOrder } from "./invoke-order.ts";
import { phaseEnd } from "./phase-end.ts";
import { agentFault, type RunOrder, type RunResult, runResult } from "./run-result.ts";

const EMPTY = Buffer.alloc(0);

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
  #isInitializedAhead = false;
  /** The server counts on it as blank or idle, and need not be told again. */
  #isAnnounced = false;
  readonly #timers = new ContainerTimers();
  /** What is done once the extensions are ready: the end of init or of the execution, as far as the runtime goes. */
  #afterExtensions: (() => void) | undefined;
  #end: Promise<void> | undefined;

  constructor(id: ContainerId, runtime: RuntimeName, log: FunctionLog, world: ContainerWorld) {
    this.id = id;
    this.runtime = runtime;
    this.#log = log;
    this.#world = world;
    this.#state = { name: "creating", beganMs: performance.now(), next: undefined };
    this.#timers.beginStart(() => this.#endBecause(`not blank within ${CREATE_MS_MAX} ms`));
    this.#starting = this.#start();
  }

  /** What the agent tells a server that it joins; undefined when there is nothing to adopt. */
  report(): ContainerReport | undefined {
    const run = runOf(this.#state);
    if (this.#isOver() && run === undefined) return undefined;
    this.#isAnnounced = true;
    return containerReport(this, this.#assignment, this.#isInitializedAhead, run?.order);
  }

  /** @throws Error when the container's state does not allow this run: the server broke the protocol. */
  run(order: RunOrder, payload: Buffer): void {
    const run = newRun(order, payload);
    if (this.#isOver()) this.#world.onFinished(order, agentFault(), EMPTY);
    else if (order.assignment === undefined) this.#runWarm(run);
    else this.#take(run, order.assignment);
  }

  /** Loads a function ahead of its first run. @throws Error when the container is not blank: the server broke the protocol. */
  prewarm(assignment: Assignment): void {
    // That it is over is announced, or will be.
    if (this.#isOver()) return;
    this.#take("prewarm", assignment);
    this.#isInitializedAhead = true;
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
    else if (state.name === "prewarming") this.#load(run, state.beganMs);
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
    const isBegun =
      state.name === "running" && (this.#state.name === "initialising" || this.#state.name === "repeating");
    this.#state = state;
    const run = runOf(state);
    this.#log.attribute(this.#assignment?.functionKey, run?.order.invocationId);
    if (isBegun) this.#world.onBegun(state.run.order);
    if (state.name === "idle") this.#timers.refreshFreeze();
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

  #open(handle: ContainerHandle): ContainerBody {
    return openBody(handle, this.runtime, this.#log, {
      holds: (body) => this.#body === body,
      isOver: () => this.#isOver(),
      onBlank: () => this.#onBlank(),
      onInitDone: (initUs) => this.#onInitDone(initUs),
      onInitError: (payload) => this.#onInitError(payload),
      onChunk: (requestId, bytes, contentType) => this.#onChunk(requestId, bytes, contentType),
      onAnswer: (requestId, outcome, payload, isFatal, own) =>
        this.#onAnswer(requestId, outcome, payload, isFatal, own),
      onViolation: (reason) => this.#onViolation(reason),
      onExit: (exit) => this.#onExit(exit),
      onExitUnknown: (cause) => this.#fault("exit", cause),
    });
  }

  #onBlank(): void {
    const state = this.#state;
    if (this.#body?.extensions !== undefined) this.#onViolation("blank twice");
    else if (state.name === "repeating") this.#guarded("repeat init", () => this.#init("on-demand"));
    else if (state.name === "creating") this.#becomeBlank(state);
    else this.#onViolation("blank twice");
  }

  #becomeBlank(state: Extract<ContainerState, { name: "creating" }>): void {
    this.#timers.endStart();
    this.#enter({ name: "blank" });
    if (state.next !== undefined) return this.#assign(state.next);
    if (this.#isAnnounced) return;
    this.#world.onReady(this.id, performance.now() - state.beganMs, this.#readUsage()?.memoryPeakBytes);
    this.#isAnnounced = true;
  }

  // ── Init ───────────────────────────────────────────────────────────────────────────────────

  #assign(first: Run | "prewarm"): void {
    this.#load(first, performance.now());
    this.#guarded("assign", () => {
      this.#init(first === "prewarm" ? "provisioned-concurrency" : "on-demand");
      this.#timers.setDeadline(() => this.#onDeadline(), (this.#assignment as Assignment).timeoutMs);
      this.#timers.setFreeze(() => this.#onFreezeDue(), this.#world.freezeAfterMs());
    });
  }

  #load(first: Run | "prewarm", beganMs: number): void {
    const state = loading(first, beganMs, this.#world, this.#assignment as Assignment);
    this.#enter(state);
    this.#timers.beginInit(() => this.#onInitOverrun(), state.initMsMax);
  }

  #init(initializationType: InitializationType): void {
    const body = this.#body as ContainerBody;
    const phase = this.#state.name === "repeating" ? "invoke" : "init";
    const assignment = this.#assignment as Assignment;
    const facts = { containerId: this.id, runtime: this.runtime, assignment, initializationType, phase } as const;
    beginInit(body, facts, this.#log, this.#world.spareEndpoint, {
      isCurrent: () => this.#body === body && !this.#isOver(),
      onResized: (memoryMiB) => this.#onResized(memoryMiB),
      onReady: () => this.#onExtensionsReady(),
      onFailed: (failure) => this.#onExtensionFailed(failure),
      onFault: (cause) => this.#fault("init", cause),
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
      this.#timers.endStart();
      const initUs = initUsOf(microsecondsSince(state.beganMs), reportedUs);
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
    if (!this.#isAnnounced) this.#world.onPrewarmed(this.id, initUs);
    this.#isAnnounced = true;
  }

  #limitCpu(): void {
    if (!this.#isOver()) this.#guarded("limit CPU", () => this.#body?.handle.limitCpu());
  }

  /** An init that is repeated begins with the limit that the one before it came to. */
  #onResized(memoryMiB: number): void {
    this.#assignment = { ...(this.#assignment as Assignment), memoryMiB };
    this.#world.onResized(this.id, memoryMiB);
  }

  #onInitError(payload: Buffer): void {
    if (!isInInit(this.#state)) return this.#onViolation("initError outside init");
    const isTooLarge = payload.length > RESPONSE_BYTES_MAX;
    const outcome = isTooLarge ? "responseTooLarge" : "initError";
    this.#fail(outcome, "the function's init failed", isTooLarge ? EMPTY : payload);
  }

  #onInitOverrun(): void {
    const state = this.#state;
    if (state.name === "prewarming") this.#finishAndEnd("timeout", `init over ${state.initMsMax} ms`, EMPTY);
    else if (state.name === "initialising") this.#repeatInit(state, "timeout", EMPTY);
  }

  /** Something in the container failed. An init that fails for the first time is repeated as part of the invocation, as on Lambda. */
  #fail(outcome: Outcome, reason: string, payload: Buffer, exit?: string): void {
    const state = this.#state;
    if (state.name === "initialising") this.#repeatInit(state, outcome, payload);
    else this.#finishAndEnd(outcome, reason, payload, exit);
  }

  #repeatInit(state: Extract<ContainerState, { name: "initialising" }>, outcome: Outcome, payload: Buffer): void {
    const { run } = state;
    const body = this.#body as ContainerBody;
    tellInitFailed(state, body.extensions, outcome, payload);
    this.#timers.endStart();
    this.#body = undefined;
    this.#afterExtensions = undefined;
    run.beganMs = performance.now();
    this.#enter({ name: "repeating", run });
    this.#timers.refreshDeadline();
    // The id is free again only when everything of the first one is gone.
    this.#starting = resetBody(body, outcome === "timeout" ? "timeout" : "failure").then(
      () => (this.#state.name === "repeating" ? this.#start() : undefined),
      (cause: unknown) => this.#fault("destroy", cause),
    );
  }

  // ── Execution ──────────────────────────────────────────────────────────────────────────────

  #invoke(run: Run): void {
    const isFrozen = this.#state.name === "frozen";
    this.#enter({ name: "running", run });
    if (!this.#timers.hasBoosted) this.#timers.beginBoost(() => this.#limitCpu());
    const { handle, driver, extensions } = this.#body as ContainerBody;
    const { timeoutMs } = this.#assignment as Assignment;
    try {
      if (isFrozen) thawBody(this.#body as ContainerBody);
      const nowMs = performance.now();
      // A repeated init has started the execution's clock.
      if (run.beganMs === undefined) this.#timers.refreshDeadline();
      run.beganMs ??= nowMs;
      const order = invokeOrder(run.order, timeoutMs - Math.round(nowMs - run.beganMs));
      if (extensions?.isTold === true) extensions.invoke(order);
      driver.invoke(order, run.payload);
      // Counted from here: the container needs longer to wake up than this takes, so the call need not wait for it.
      handle.beginUsage();
      run.payload = EMPTY;
    } catch (cause) {
      this.#fault("invoke", cause);
    }
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
    if (extensions?.isTold === true) extensions.runtimeDone(phaseEnd(outcome, payload), payload.length);
    // The execution is over when the extensions are done too; of one that fails, nothing more is waited for.
    if (isFatal || extensions?.isReady !== false) this.#conclude(run, outcome, payload, isFatal, own);
    else this.#afterExtensions = () => this.#conclude(run, outcome, payload, isFatal, own);
  }

  #conclude(run: Run, outcome: AnswerOutcome, payload: Buffer, isFatal: boolean, own: OwnUsage): void {
    const isTooLarge = payload.length > RESPONSE_BYTES_MAX;
    const result = this.#result(isTooLarge ? "responseTooLarge" : outcome, run, !isFatal, undefined, own);
    const body = isTooLarge ? EMPTY : payload;
    const extensions = this.#body?.extensions;
    if (extensions?.isTold === true) extensions.report(result, phaseEnd(result.outcome, payload));
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
    const usage = run.beganMs === undefined ? undefined : this.#readUsage();
    const { timeoutMs } = this.#assignment as Assignment;
    return runResult(run, outcome, timeoutMs, containerUsable, exit, usage, own);
  }

  #readUsage(): ContainerUsage | undefined {
    return usageOf(this.#body, (cause) => this.#logFailure("usage not read", cause));
  }

  /** After one whole turn of reading: what was in the pipes when the answer came has been read then. */
  #finishAfterPendingReads(run: Run, result: RunResult, payload: Buffer): void {
    run.answer = { result, payload };
    const finish = () => this.#finish(run, result, payload);
    // A runtime that told of an error may be about to exit: what came next would be lost with it.
    const read = () => (result.outcome === "ok" ? finish() : this.#body?.driver.whenAsked(finish));
    setImmediate(() => setImmediate(read));
  }

  #onExtensionsReady(): void {
    const action = this.#afterExtensions;
    this.#afterExtensions = undefined;
    action?.();
  }

  #onExtensionFailed(failure: ExtensionFailure): void {
    const { message, payload } = extensionError(failure, runOf(this.#state)?.order.invocationId);
    this.#log.writeMessage(Buffer.from(`${message}\n${failure.errorType}\n`));
    const outcome = this.#state.name === "running" ? "functionError" : "initError";
    this.#fail(outcome, `an extension failed: ${message}`, payload);
  }

  #onFreezeDue(): void {
    if (this.#state.name !== "idle") return;
    this.#guarded("freeze", () => {
      freezeBody(this.#body as ContainerBody);
      this.#enter({ name: "frozen" });
    });
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
    if ((state.name === "prewarming" || state.name === "repeating") && outcome !== "agentFault")
      tellInitFailed(state, this.#body?.extensions, outcome, payload);
    if (run === undefined) {
      this.#endWith(reason, () => {}, shutdownReason);
    } else {
      const answer = run.answer ?? { result: this.#result(outcome, run, false, exit), payload };
      const result = { ...answer.result, containerUsable: false };
      const extensions = this.#body?.extensions;
      if (run.answer === undefined && extensions?.isTold === true)
        extensions.report(result, phaseEnd(outcome, payload));
      this.#endWith(reason, () => this.#world.onFinished(run.order, result, answer.payload), shutdownReason);
    }
  }

  #endWith(reason: string, answer: () => void, shutdownReason: ShutdownReason = "failure"): void {
    this.#end ??= this.#endIn(reason, answer, shutdownReason);
  }

  /** Whoever waits for the execution does not wait for the shutdown phase, which only extensions have. */
  async #endIn(reason: string, answer: () => void, shutdownReason: ShutdownReason): Promise<void> {
    const body = this.#body;
    const isFrozen = this.#state.name === "frozen";
    const hasShutdown = body?.extensions?.isActive === true;
    this.#timers.stop();
    this.#enter({ name: "ending", run: runOf(this.#state) });
    if (hasShutdown) {
      await turnsOfReading();
      answer();
      this.#enter({ name: "ending", run: undefined });
      await shutDown(body, isFrozen, shutdownReason).catch((cause) => this.#logFailure("shutdown phase failed", cause));
    }
    const { outputRead, destroyed } = bury(body, this.#starting);
    await outputRead;
    this.#enter({ name: "gone" });
    if (!hasShutdown) answer();
    await destroyed.catch((cause) => this.#logFailure("container not destroyed", cause));
    this.#world.onGone(this.id, reason);
  }

  #logFailure(what: string, cause: unknown): void {
    this.#world.log("error", what, { containerId: this.id, reason: reasonOf(cause) });
  }
}
