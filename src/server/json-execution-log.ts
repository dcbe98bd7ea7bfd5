import { errorTypeOf } from "../model/error-type.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Outcome, Usage } from "../model/invocation.ts";
import { platformLine } from "../protocol/platform-line.ts";
import { type InitializationType, runtimeVersionOf } from "../protocol/runtime-version.ts";

/**
 * Lambda's own lines around what a function writes, for functions that log as JSON: the records of its telemetry, one
 * object per line. With system level `WARN` only reports of what went wrong are written.
 */
export function jsonStartLine(id: InvocationId, version: FunctionVersion, retries: number): string {
  if (version.systemLogLevel === "WARN") return "";
  return platformLine("platform.start", {
    requestId: id,
    functionArn: version.arn,
    version: version.version,
    // Ours: an asynchronous invocation that may have run before says so.
    ...(retries === 0 ? {} : { attempt: retries + 1 }),
  });
}

/** The line before a function's init. */
export function jsonInitStartLine(
  version: FunctionVersion,
  { region, logStream, initializationType }: InitFacts,
): string {
  if (version.systemLogLevel === "WARN") return "";
  const { name: runtimeVersion, arn: runtimeVersionArn } = runtimeVersionOf(version.runtime, region);
  return platformLine("platform.initStart", {
    initializationType,
    phase: "init",
    runtimeVersion,
    runtimeVersionArn,
    functionName: version.name,
    functionVersion: version.version,
    instanceId: logStream,
    instanceMaxMemory: version.memoryMiB * 1_048_576,
  });
}

/** Where a function begins, and for whom. */
export type InitFacts = {
  readonly region: string;
  /** Name of its container's stream. */
  readonly logStream: string;
  readonly initializationType: InitializationType;
};

/** The line after an execution, with the true figures. @param payload the function's answer. */
export function jsonReportLine(
  id: InvocationId,
  version: FunctionVersion,
  outcome: Outcome,
  payload: Buffer,
  usage: Usage,
): string {
  const status = STATUS[outcome];
  const errorType = errorTypeOf(outcome, payload);
  if (version.systemLogLevel === "WARN" && status === "success") return "";
  const durationMs = usage.wallUs / 1000;
  const initMs = usage.initUs === undefined ? undefined : usage.initUs / 1000;
  const metrics = {
    durationMs: rounded(durationMs),
    billedDurationMs: Math.ceil(durationMs + (initMs ?? 0)),
    memorySizeMB: version.memoryMiB,
    maxMemoryUsedMB: usage.memoryPeakBytes === undefined ? 0 : Math.ceil(usage.memoryPeakBytes / 1048576),
    ...(initMs === undefined ? {} : { initDurationMs: rounded(initMs) }),
  };
  return platformLine("platform.report", {
    requestId: id,
    metrics,
    status,
    ...(errorType === undefined ? {} : { errorType }),
  });
}

const STATUS: { readonly [outcome in Outcome]: "success" | "error" | "timeout" | "failure" } = {
  ok: "success",
  functionError: "error",
  initError: "error",
  timeout: "timeout",
  exit: "error",
  outOfMemory: "error",
  invalidPayload: "error",
  responseTooLarge: "error",
  agentFault: "failure",
};

function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(3));
}
