import { executionErrorOf } from "../model/execution-error.ts";
import { throttleReasonOf } from "../model/throttle-reason.ts";
import type { InvocationEnd, InvocationStart } from "../ports/invocation-tracer.ts";
import type { InvokeAnswer } from "../ports/invoker.ts";

/** A part of an invocation's time, or the whole. Times count from its arrival. */
export type PlannedSpan = {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** `undefined` members are left out. */
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>;
  /** What went wrong in it; undefined: nothing. */
  readonly error: SpanError | undefined;
};

/** By OpenTelemetry's conventions: `error.type`, and the status's description. */
export type SpanError = { readonly type: string; readonly message: string | undefined };

const MIB = 2 ** 20;
/** What was placed at once took less than this on its way to its container: no wait worth a span. */
const WAIT_MS_MIN = 1;
/** A function's own error object is read for its type up to this size. */
const ERROR_BYTES_MAX = 65_536;
const ERROR_TYPE_LENGTH_MAX = 256;
const ERROR_MESSAGE_LENGTH_MAX = 1024;

/**
 * The spans of an invocation that is over: first its own, then those of its parts, in the order of time. Attributes have the
 * names of OpenTelemetry's semantic conventions for functions where there is one, else they begin with `hearth.`.
 *
 * The agent tells how long init and execution took, not when they began: they are laid back from the answer's arrival.
 */
export function invocationSpans(start: InvocationStart, end: InvocationEnd, region: string): PlannedSpan[] {
  const { request } = start;
  const error = errorOf(end.answer, request.id, request.version.timeoutMs);
  const own: PlannedSpan = {
    name: request.version.name,
    fromMs: 0,
    toMs: end.tookMs,
    attributes: { ...attributesOf(start, end, region), "error.type": error?.type },
    error,
  };
  return [own, ...partsOf(end, error)];
}

function attributesOf({ request, mode, retries }: InvocationStart, end: InvocationEnd, region: string) {
  const { id, version, payload, invokedArn } = request;
  const { answer, lease } = end;
  const isFinished = answer !== "cancelled" && answer.kind === "finished";
  return {
    "faas.invocation_id": id,
    "faas.name": version.name,
    "faas.version": version.version,
    "faas.trigger": request.trigger ?? (mode === "synchronous" ? "other" : undefined),
    "faas.max_memory": version.memoryMiB * MIB,
    "faas.coldstart": lease === undefined ? undefined : lease.start === "cold",
    "faas.instance": lease?.containerId,
    "cloud.account.id": version.accountId,
    "cloud.region": region,
    "cloud.resource_id": version.arn,
    "aws.lambda.invoked_arn": invokedArn,
    "hearth.mode": mode,
    "hearth.attempt": mode === "asynchronous" ? retries + 1 : undefined,
    "hearth.outcome": outcomeOf(answer),
    "hearth.throttle_reason":
      answer !== "cancelled" && answer.kind === "rejected" ? throttleReasonOf(answer.code) : undefined,
    "hearth.sub_pool": lease?.placement.subPool,
    "hearth.offer": lease?.placement.offerId,
    "hearth.instance": lease?.instanceId,
    "hearth.placement": lease?.start === "cold" ? lease.placement.why : undefined,
    "hearth.request.bytes": payload.length,
    "hearth.response.bytes": isFinished && request.sink === undefined ? answer.payload.length : undefined,
    "hearth.billed_ms": isFinished ? billedMsOf(answer) : undefined,
  };
}

function outcomeOf(answer: InvocationEnd["answer"]): string {
  if (answer === "cancelled") return "cancelled";
  return answer.kind === "rejected" ? "rejected" : answer.outcome;
}

/** As the REPORT line has it. */
function billedMsOf({ usage: { wallUs, initUs = 0 } }: Extract<InvokeAnswer, { kind: "finished" }>): number {
  return Math.ceil((wallUs + initUs) / 1000);
}

function partsOf({ answer, lease, waitedMs, tookMs }: InvocationEnd, error: SpanError | undefined): PlannedSpan[] {
  const begunMs = waitedMs ?? tookMs;
  const parts: PlannedSpan[] = [];
  if (begunMs > WAIT_MS_MIN) {
    const waitedFor = lease?.placement.waitedFor.map(({ kind }) => kind).join(",");
    const attributes = { "hearth.waited_for": waitedFor || undefined };
    parts.push({ name: "wait", fromMs: 0, toMs: begunMs, attributes, error: lease === undefined ? error : undefined });
  }
  if (lease === undefined || answer === "cancelled") return parts;
  if (answer.kind === "rejected") {
    // It had begun and was cut off: how far it came nobody knows.
    parts.push({ name: "run", fromMs: begunMs, toMs: tookMs, attributes: {}, error });
    return parts;
  }
  const { outcome, usage } = answer;
  const failedInit = outcome === "initError";
  const ranMs = failedInit ? 0 : usage.wallUs / 1000;
  const runMs = Math.max(begunMs, tookMs - ranMs);
  const initMs = lease.start === "cold" && usage.initUs !== undefined ? usage.initUs / 1000 : 0;
  const initFromMs = Math.max(begunMs, runMs - initMs);
  if (lease.start === "cold") {
    parts.push({ name: "start", fromMs: begunMs, toMs: initFromMs, attributes: {}, error: undefined });
    if (initMs > 0) {
      const initError = failedInit ? error : undefined;
      parts.push({ name: "init", fromMs: initFromMs, toMs: runMs, attributes: {}, error: initError });
    }
  }
  // Nothing of the function ran.
  if (failedInit || outcome === "invalidPayload" || outcome === "agentFault") return parts;
  const attributes = {
    "hearth.cpu_ms": usage.cpuUs === undefined ? undefined : usage.cpuUs / 1000,
    "hearth.throttled_ms": usage.throttledUs === undefined ? undefined : usage.throttledUs / 1000,
    "hearth.memory.peak_bytes": usage.memoryPeakBytes,
    "hearth.memory.limit_mib": usage.memoryLimitMiB,
    "hearth.memory.rescues": usage.rescues > 0 ? usage.rescues : undefined,
  };
  parts.push({ name: "run", fromMs: runMs, toMs: tookMs, attributes, error });
  return parts;
}

function errorOf(answer: InvocationEnd["answer"], requestId: string, timeoutMs: number): SpanError | undefined {
  if (answer === "cancelled") return { type: "cancelled", message: "the caller hung up while it waited" };
  if (answer.kind === "rejected") return { type: answer.code, message: undefined };
  const { outcome, exit, payload } = answer;
  if (outcome === "ok") return undefined;
  if (outcome === "functionError" || outcome === "initError") return functionErrorIn(payload, outcome);
  const error = executionErrorOf(outcome, exit, requestId, timeoutMs);
  return { type: error?.errorType ?? outcome, message: error?.errorMessage };
}

/** What the function itself says went wrong, if it says so in Lambda's form. */
function functionErrorIn(payload: Buffer, outcome: string): SpanError {
  const unknown: SpanError = { type: outcome, message: undefined };
  if (payload.length > ERROR_BYTES_MAX) return unknown;
  try {
    const { errorType, errorMessage } = JSON.parse(payload.toString()) as Record<string, unknown>;
    return {
      type: typeof errorType === "string" && errorType !== "" ? errorType.slice(0, ERROR_TYPE_LENGTH_MAX) : outcome,
      message: typeof errorMessage === "string" ? errorMessage.slice(0, ERROR_MESSAGE_LENGTH_MAX) : undefined,
    };
  } catch {
    return unknown;
  }
}
