import type { FunctionVersion } from "../model/function-version.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Outcome, Usage } from "../model/invocation.ts";

/**
 * Lambda's own lines around what a function writes, for functions that log as JSON: the records of its telemetry, one
 * object per line. With system level `WARN` only reports of what went wrong are written.
 */
export function jsonStartLine(id: InvocationId, { version, systemLogLevel }: FunctionVersion, retries: number): string {
  if (systemLogLevel === "WARN") return "";
  // The last member is ours: an asynchronous invocation that may have run before says so.
  return lineOf("platform.start", { requestId: id, version, ...(retries === 0 ? {} : { attempt: retries + 1 }) });
}

/** The line after an execution, with the true figures. */
export function jsonReportLine(id: InvocationId, version: FunctionVersion, outcome: Outcome, usage: Usage): string {
  const [status, errorType] = STATUS[outcome];
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
  return lineOf("platform.report", {
    requestId: id,
    metrics,
    status,
    ...(errorType === undefined ? {} : { errorType }),
  });
}

type Status = readonly ["success" | "error" | "timeout" | "failure", errorType?: string];

const STATUS: { readonly [outcome in Outcome]: Status } = {
  ok: ["success"],
  functionError: ["error"],
  initError: ["error", "Runtime.Unknown"],
  timeout: ["timeout"],
  exit: ["error", "Runtime.ExitError"],
  outOfMemory: ["error", "Runtime.OutOfMemory"],
  invalidPayload: ["error"],
  responseTooLarge: ["error", "Function.ResponseSizeTooLarge"],
  agentFault: ["failure"],
};

function lineOf(type: string, record: object): string {
  return `${JSON.stringify({ time: new Date().toISOString(), type, record })}\n`;
}

function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(3));
}
