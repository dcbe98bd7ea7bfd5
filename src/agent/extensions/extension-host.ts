import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { reasonOf } from "../agent-log.ts";
import { refuseUnknown } from "../api-answer.ts";
import type { ContainerExit, ContainerHandle, ExtensionProcesses } from "../container-backend.ts";
import type { InvokeOrder } from "../drivers/runtime-driver.ts";
import { exitText } from "../exit-text.ts";
import type { FunctionLog } from "../function-log.ts";
import {
  type ExecutionFigures,
  type LifecycleFacts,
  LifecycleRecords,
  type PhaseEnd,
} from "../telemetry/lifecycle-records.ts";
import { PlatformLog } from "../telemetry/platform-log.ts";
import { Telemetry } from "../telemetry/telemetry.ts";
import { handleSubscription, telemetryApiAt } from "../telemetry/telemetry-api.ts";
import type { Extension, ShutdownReason } from "./extension.ts";
import { EXTENSIONS_MAX, ExtensionBook } from "./extension-book.ts";
import { extensionEnvironment } from "./extension-environment.ts";
import { watchEnds } from "./extension-processes.ts";
import { extensionPrograms } from "./extension-programs.ts";
import { EXTENSIONS_PREFIX, handleExtensionRequest, withExtension } from "./extensions-api.ts";

/** Lambda's budgets of the shutdown phase. Without extensions there is none. */
export const SHUTDOWN_MS = { external: 2000, internal: 500 } as const;
/** How much of it the runtime has, when external extensions have the rest (AWS's runtime interface emulator). */
const RUNTIME_SHARE = 0.3;

/** What the caller of an invocation gets when an extension fails; the message without the request's id. */
export type ExtensionFailure = { readonly errorType: string; readonly errorMessage: string };

export type ExtensionHostEvents = {
  /** The runtime may be initialised. At once when there are no external extensions. */
  onRegistered(): void;
  /** Everybody whom init or the invocation waits for is ready. Not told when nobody was waited for. */
  onReady(): void;
  /** The execution environment is of no use any more. */
  onFailed(failure: ExtensionFailure): void;
};

/**
 * Runs the extensions of one container from its init to its end, and speaks with them: external ones as processes of its
 * own, internal ones in the runtime's processes. Most containers have neither; then only the function's log is told how
 * its phases ended, if it is to have that.
 */
export class ExtensionHost {
  readonly #handle: ContainerHandle;
  readonly #facts: LifecycleFacts;
  readonly #log: FunctionLog;
  readonly #events: ExtensionHostEvents;
  readonly #names: readonly string[];
  readonly #book: ExtensionBook;
  readonly #records: LifecycleRecords;
  readonly #platformLog: PlatformLog;
  /** From the moment on in which there may be somebody to hear it, until it is known that there is not. */
  #telemetry: Telemetry | undefined;
  #isJson = false;
  /** Names of those whose end the shutdown waits for, and what to do when there are none any more. */
  #shutdown: { readonly awaited: Set<string>; readonly done: () => void } | undefined;

  /** The container has been assigned. */
  constructor(handle: ContainerHandle, facts: LifecycleFacts, log: FunctionLog, events: ExtensionHostEvents) {
    this.#handle = handle;
    this.#facts = facts;
    this.#log = log;
    this.#events = events;
    this.#platformLog = new PlatformLog(log, facts.assignment);
    this.#records = new LifecycleRecords((event, record) => {
      this.#platformLog.tell(event, record);
      this.#telemetry?.platform(event, record);
    }, facts);
    this.#names = extensionPrograms(handle.optDir);
    this.#book = new ExtensionBook(this.#names.slice(0, EXTENSIONS_MAX), {
      onRegistered: () => events.onRegistered(),
      onReady: () => events.onReady(),
    });
  }

  /** Whether there are extensions: somebody has registered, or was started. */
  get isActive(): boolean {
    return this.#book.size > 0;
  }

  /** Whether somebody is to be told of executions. */
  get isTold(): boolean {
    return this.isActive || this.#platformLog.tellsExecutions;
  }

  /** Whether nobody is waited for. */
  get isReady(): boolean {
    return this.#book.isReady;
  }

  /** Whether the runtime has not initialised yet. */
  get isRegistrationOpen(): boolean {
    return this.#book.isOpen;
  }

  /** Starts the external extensions. @param environment of the function. */
  begin(environment: Readonly<Record<string, string>>): void {
    this.#isJson = environment["AWS_LAMBDA_LOG_FORMAT"] === "JSON";
    if (this.#names.length > 0) this.#observe();
    if (this.#names.length === 0) this.#events.onRegistered();
    else if (this.#names.length > EXTENSIONS_MAX) this.#refuseAll();
    else void this.#start(extensionEnvironment(environment));
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { url = "" } = request;
    const api = telemetryApiAt(url);
    if (api !== undefined) {
      withExtension(this.#book, request, response, ({ name }) => {
        handleSubscription(this.#observe(), api, name, request, response);
      });
    } else if (url.startsWith(EXTENSIONS_PREFIX)) {
      if (this.#book.isOpen) this.#observe();
      const { functionName, version, handler, accountId } = this.#facts.assignment;
      const facts = { functionName, functionVersion: version, handler, accountId };
      handleExtensionRequest(this.#book, facts, url.slice(EXTENSIONS_PREFIX.length), request, response);
    } else {
      request.resume();
      refuseUnknown(request, response);
    }
  }

  /** Nobody can register any more. */
  runtimeInitialised(): void {
    this.#book.closeRegistration();
    this.#records.initRuntimeDone({ status: "success" });
  }

  /** Init is over: nobody can subscribe any more. */
  initialised(durationUs: number): void {
    this.#endInit(durationUs, { status: "success" });
    this.#telemetry?.closeSubscription();
    if (this.#telemetry?.isHeard === false) this.#telemetry = undefined;
  }

  initFailed(durationUs: number, end: PhaseEnd): void {
    if (this.#book.isOpen) this.#records.initRuntimeDone(end);
    this.#endInit(durationUs, end);
  }

  #endInit(durationUs: number, end: PhaseEnd): void {
    this.#records.extensions(this.#book.all());
    this.#records.initReport(durationUs, end);
  }

  /** Lines that the function wrote through the runtime. */
  functionLines(text: Buffer): void {
    this.#telemetry?.functionLines(text);
  }

  /** A message of the function for the log. */
  functionMessage(text: Buffer): void {
    this.#telemetry?.functionMessage(text);
  }

  /** What the runtime's processes wrote to their output. */
  functionOutput(text: Buffer): void {
    this.#telemetry?.functionOutput(text);
  }

  /** The runtime has answered; extensions may still be at work. */
  runtimeDone(end: PhaseEnd, producedBytes: number): void {
    this.#records.runtimeDone(end, producedBytes);
  }

  /** The execution is over. */
  report(figures: ExecutionFigures, end: PhaseEnd): void {
    this.#records.report(figures, end);
  }

  setFrozen(isFrozen: boolean): void {
    this.#telemetry?.setFrozen(isFrozen);
  }

  invoke(order: InvokeOrder): void {
    const { requestId, deadlineMs, invokedArn, traceId } = order;
    this.#records.start(order);
    this.#book.tell({
      eventType: "INVOKE",
      deadlineMs,
      requestId,
      invokedFunctionArn: invokedArn,
      tracing: { type: "X-Amzn-Trace-Id", value: traceId },
    });
  }

  /**
   * The end, in Lambda's order: SIGTERM to the runtime and some time for it, then SHUTDOWN to the external extensions
   * that asked for it, and the rest of the time for them. Resolves when they have ended or the time is over.
   */
  async shutDown(reason: ShutdownReason): Promise<void> {
    const isExternal = this.#names.length > 0;
    const budgetMs = isExternal ? SHUTDOWN_MS.external : SHUTDOWN_MS.internal;
    const endMs = performance.now() + budgetMs;
    const awaited = new Set<string>();
    const { promise: allEnded, resolve } = Promise.withResolvers<void>();
    this.#shutdown = { awaited, done: resolve };
    this.#handle.signalRuntime("SIGTERM");
    await within(isExternal ? budgetMs * RUNTIME_SHARE : budgetMs, this.#handle.exited);
    this.#handle.signalRuntime("SIGKILL");
    await within(endMs - performance.now(), this.#telemetry?.flush() ?? Promise.resolve());
    const leftMs = Math.max(0, endMs - performance.now());
    const deadlineMs = Date.now() + Math.round(leftMs);
    const told = this.#book.tell({ eventType: "SHUTDOWN", shutdownReason: reason, deadlineMs });
    for (const { name } of told) awaited.add(name);
    if (awaited.size > 0) await within(leftMs, allEnded);
  }

  /** Nobody is told anything any more. */
  close(): void {
    this.#telemetry?.close();
    this.#telemetry = undefined;
  }

  #observe(): Telemetry {
    if (this.#telemetry === undefined) {
      this.#telemetry = new Telemetry({ address: this.#handle.loopback, isJson: this.#isJson });
      this.#records.initStart();
      if (!this.#book.isOpen) this.#telemetry.closeSubscription();
    }
    return this.#telemetry;
  }

  async #start(environment: Readonly<Record<string, string>>): Promise<void> {
    try {
      const processes = await this.#handle.startExtensions(this.#names, environment);
      this.#listen(processes);
    } catch (cause) {
      this.#events.onFailed({ errorType: "Extension.LaunchError", errorMessage: reasonOf(cause) });
    }
  }

  #listen({ output, ends }: ExtensionProcesses): void {
    output.on("data", (text: Buffer) => {
      this.#log.write(text, output);
      this.#telemetry?.extensionOutput(text);
    });
    output.on("error", () => {}); // The processes end, which `ends` tells.
    watchEnds(ends, (name, exit) => this.#ended(name, exit));
  }

  #ended(name: string, exit: ContainerExit): void {
    const extension = this.#book.all().find((known) => known.isExternal && known.name === name);
    if (extension === undefined) return;
    const failure = failureOf(extension, exit);
    extension.state = failure.errorType === "Extension.LaunchError" ? "LaunchError" : "Exited";
    if (this.#shutdown === undefined) {
      this.#events.onFailed(failure);
    } else {
      this.#shutdown.awaited.delete(name);
      if (this.#shutdown.awaited.size === 0) this.#shutdown.done();
    }
  }

  #refuseAll(): void {
    for (const extension of this.#book.all()) {
      extension.state = "LaunchError";
      extension.errorType = "TooManyExtensions";
    }
    this.#events.onFailed({ errorType: "Extension.LaunchError", errorMessage: "ErrTooManyExtensions" });
  }
}

function failureOf(extension: Extension, exit: ContainerExit): ExtensionFailure {
  const launchError = extension.state === "Started" ? LAUNCH_ERRORS[exit.status ?? 0] : undefined;
  if (launchError !== undefined) {
    extension.errorType = launchError.errorType;
    const errorMessage = `fork/exec /opt/extensions/${extension.name}: ${launchError.reason}`;
    return { errorType: "Extension.LaunchError", errorMessage };
  }
  const told = { InitError: "Extension.InitError", ExitError: "Extension.ExitError" } as const;
  const errorType = told[extension.state as keyof typeof told] ?? "Extension.Crash";
  return { errorType, errorMessage: exitText(exit) ?? "exit code 0" };
}

/** By the status that a shell gives of a program that it could not start. */
const LAUNCH_ERRORS: Readonly<Record<number, { errorType: string; reason: string }>> = {
  126: { errorType: "PermissionDenied", reason: "permission denied" },
  127: { errorType: "UnknownError", reason: "no such file or directory" },
};

/** Waits for something, and no longer than this. Never rejects. */
async function within(ms: number, happened: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const bound = delay(ms, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([happened, bound]).catch(() => {});
  timer.abort();
}
