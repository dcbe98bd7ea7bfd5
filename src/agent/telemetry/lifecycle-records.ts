import type { RuntimeName } from "../../model/runtime.ts";
import type { Assignment } from "../../protocol/agent-protocol.ts";
import { type InitializationType, runtimeVersionOf } from "../../protocol/runtime-version.ts";
import type { InvokeOrder } from "../drivers/runtime-driver.ts";
import type { Extension } from "../extensions/extension.ts";

/** How a phase ended: `failure` is the platform's, `error` the function's or an extension's. */
export type PhaseStatus = "success" | "failure" | "error" | "timeout";

/** How one phase ended. `errorType` where there is one to tell. */
export type PhaseEnd = { readonly status: PhaseStatus; readonly errorType?: string | undefined };

export type LifecycleFacts = {
  readonly containerId: string;
  readonly runtime: RuntimeName;
  readonly assignment: Assignment;
  readonly initializationType: InitializationType;
  /** `invoke`: an init that is repeated as part of the first invocation. */
  readonly phase: "init" | "invoke";
};

/** What one execution took and used. */
export type ExecutionFigures = {
  readonly wallUs: number;
  readonly initUs: number | undefined;
  readonly memoryPeakBytes: number | undefined;
};

/** Who is told of a record. @param event without `platform.` before it. */
export type Tell = (event: string, record: object) => void;

type Tracing = { readonly type: "X-Amzn-Trace-Id"; readonly value: string };

/** Tells the phases of one container as Lambda's `platform.*` records (Telemetry API, event schema reference). */
export class LifecycleRecords {
  readonly #tell: Tell;
  readonly #facts: LifecycleFacts;
  /** Of the execution that runs. */
  #invocation: { requestId: string; tracing: Tracing; beganMs: number; doneMs: number | undefined } | undefined;

  constructor(tell: Tell, facts: LifecycleFacts) {
    this.#tell = tell;
    this.#facts = facts;
  }

  initStart(): void {
    const { containerId, runtime, assignment } = this.#facts;
    const { functionName, version, region, logStream, memoryMiB, requestedMemoryMiB = memoryMiB } = assignment;
    const { name: runtimeVersion, arn: runtimeVersionArn } = runtimeVersionOf(runtime, region);
    this.#tell("initStart", {
      ...this.#init(),
      runtimeVersion,
      runtimeVersionArn,
      functionName,
      functionVersion: version,
      instanceId: logStream ?? containerId,
      instanceMaxMemory: requestedMemoryMiB * 1_048_576,
    });
  }

  initRuntimeDone(end: PhaseEnd): void {
    this.#tell("initRuntimeDone", { ...this.#init(), ...end });
  }

  extensions(all: readonly Extension[]): void {
    for (const { name, state, events, errorType } of all) {
      this.#tell("extension", { name, state, events, errorType });
    }
  }

  initReport(durationUs: number, end: PhaseEnd): void {
    this.#tell("initReport", { ...this.#init(), ...end, metrics: { durationMs: durationUs / 1000 } });
  }

  start({ requestId, traceId }: InvokeOrder): void {
    const tracing = { type: "X-Amzn-Trace-Id", value: traceId } as const;
    this.#invocation = { requestId, tracing, beganMs: Date.now(), doneMs: undefined };
    this.#tell("start", { requestId, version: this.#facts.assignment.version, tracing });
  }

  /** The runtime has answered, or will not. Once for each execution. @param producedBytes of the response. */
  runtimeDone(end: PhaseEnd, producedBytes: number): void {
    const invocation = this.#invocation;
    if (invocation === undefined || invocation.doneMs !== undefined) return;
    invocation.doneMs = Date.now();
    const { requestId, tracing, beganMs } = invocation;
    const durationMs = invocation.doneMs - beganMs;
    const spans = [{ name: "responseLatency", start: new Date(beganMs).toISOString(), durationMs }];
    const metrics = { durationMs, producedBytes };
    this.#tell("runtimeDone", { requestId, ...end, tracing, spans, metrics });
  }

  report({ wallUs, initUs, memoryPeakBytes }: ExecutionFigures, end: PhaseEnd): void {
    const invocation = this.#invocation;
    if (invocation === undefined) return;
    this.runtimeDone(end, 0);
    this.#invocation = undefined;
    const { requestId, tracing, doneMs = Date.now() } = invocation;
    const durationMs = wallUs / 1000;
    const initDurationMs = initUs === undefined ? undefined : initUs / 1000;
    const start = new Date(doneMs).toISOString();
    const { memoryMiB, requestedMemoryMiB = memoryMiB } = this.#facts.assignment;
    this.#tell("end", { requestId });
    this.#tell("report", {
      requestId,
      ...end,
      tracing,
      spans: [{ name: "extensionOverhead", start, durationMs: Date.now() - doneMs }],
      metrics: {
        durationMs,
        billedDurationMs: Math.ceil(durationMs + (initDurationMs ?? 0)),
        memorySizeMB: requestedMemoryMiB,
        maxMemoryUsedMB: memoryPeakBytes === undefined ? 0 : Math.ceil(memoryPeakBytes / 1_048_576),
        initDurationMs,
      },
    });
  }

  #init() {
    return { initializationType: this.#facts.initializationType, phase: this.#facts.phase };
  }
}
