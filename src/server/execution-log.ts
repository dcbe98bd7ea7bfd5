import { errorTypeOf } from "../model/error-type.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Outcome, Usage } from "../model/invocation.ts";
import { logMessage, plainLog } from "../protocol/log-message.ts";
import { runtimeVersionOf } from "../protocol/runtime-version.ts";
import { type InitFacts, jsonInitStartLine, jsonReportLine, jsonStartLine } from "./json-execution-log.ts";

/** Lambda returns the last 4 KB of an execution's log (API reference, Invoke, LogType). */
export const LOG_TAIL_BYTES = 4096;

/**
 * Lambda's own lines around what a function writes; their form is what log tools parse.
 * @param retries executions begun before: that an asynchronous invocation may have run before is said in a line of ours.
 */
export function startLine(id: InvocationId, version: FunctionVersion, retries: number): string {
  if (version.logFormat === "JSON") return jsonStartLine(id, version, retries);
  const start = `START RequestId: ${id} Version: ${version.version}\n`;
  return retries === 0 ? start : `${start}RETRY RequestId: ${id} Attempt: ${retries + 1}\n`;
}

/** The line before a function's init. */
export function initStartLine(version: FunctionVersion, facts: InitFacts): string {
  if (version.logFormat === "JSON") return jsonInitStartLine(version, facts);
  const { name, arn } = runtimeVersionOf(version.runtime, facts.region);
  return `INIT_START Runtime Version: ${name}\tRuntime Version ARN: ${arn}\n`;
}

/**
 * The lines after an execution: what went wrong, if anything, then END and REPORT with the true figures.
 * @param payload the function's answer.
 */
export function endLines(
  id: InvocationId,
  version: FunctionVersion,
  outcome: Outcome,
  payload: Buffer,
  exit: string | undefined,
  usage: Usage,
): string {
  if (version.logFormat === "JSON") return jsonReportLine(id, version, outcome, payload, usage);
  const status = statusOf(outcome, payload);
  // One event, whatever lines it has.
  const trouble = String(logMessage(Buffer.from(troubleText(id, version, outcome, exit))));
  return `${trouble}END RequestId: ${id}\n${reportLine(id, version, status, usage)}`;
}

function troubleText(id: InvocationId, version: FunctionVersion, outcome: Outcome, exit: string | undefined): string {
  switch (outcome) {
    case "timeout":
      return `${new Date().toISOString()} ${id} Task timed out after ${(version.timeoutMs / 1000).toFixed(2)} seconds\n\n`;
    case "exit":
    case "outOfMemory":
      return `RequestId: ${id} Error: Runtime exited with error: ${exit ?? "unknown"}\n${
        outcome === "exit" ? "Runtime.ExitError" : "Runtime.OutOfMemory"
      }\n`;
    default:
      return "";
  }
}

function hundredthsOfMs(us: number): number {
  return Math.round(us / 10);
}

function reportLine(id: InvocationId, version: FunctionVersion, status: string | undefined, usage: Usage): string {
  const [duration, init] = [hundredthsOfMs(usage.wallUs), hundredthsOfMs(usage.initUs ?? 0)];
  const parts = [
    `REPORT RequestId: ${id}`,
    `Duration: ${(duration / 100).toFixed(2)} ms`,
    // Of what is shown, so that it can be checked.
    `Billed Duration: ${Math.ceil((duration + init) / 100)} ms`,
    `Memory Size: ${version.memoryMiB} MB`,
    `Max Memory Used: ${usage.memoryPeakBytes === undefined ? 0 : Math.ceil(usage.memoryPeakBytes / 1048576)} MB`,
  ];
  if (usage.initUs !== undefined) parts.push(`Init Duration: ${(init / 100).toFixed(2)} ms`);
  if (status !== undefined) parts.push(status);
  return `${parts.join("\t")}\t\n`;
}

function statusOf(outcome: Outcome, payload: Buffer): string | undefined {
  if (outcome === "timeout") return "Status: timeout";
  const errorType = errorTypeOf(outcome, payload);
  return errorType === undefined ? undefined : `Status: error\tError Type: ${errorType}`;
}

/** Keeps the last bytes of what is written to it, as text for people. */
export class LogTail {
  #chunks: Buffer[] = [];
  #bytes = 0;

  append(text: Buffer): void {
    this.#chunks.push(text);
    this.#bytes += text.length;
    if (this.#bytes > 16 * LOG_TAIL_BYTES) this.#cut();
  }

  read(): Buffer {
    this.#cut();
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #cut(): void {
    const all = plainLog(Buffer.concat(this.#chunks));
    this.#chunks = [Buffer.from(all.subarray(Math.max(0, all.length - LOG_TAIL_BYTES)))];
    this.#bytes = this.#chunks[0]?.length ?? 0;
  }
}
