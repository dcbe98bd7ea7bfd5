import { z } from "zod";
import { LOG_LEVELS, SYSTEM_LOG_LEVELS } from "../model/function-version.ts";
import type { ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import { OUTCOMES } from "../model/invocation.ts";
import { RUNTIMES } from "../model/runtime.ts";
import { LOG_GROUP_NAME, LOG_STREAM_NAME } from "./log-stream.ts";

/**
 * Messages between the server and the agent of an instance. The agent dials, says `hello`, and
 * is answered with `welcome` or cut off. Both sides ignore members they do not know, so that a
 * minor addition needs no new version; a changed meaning does.
 */
export const AGENT_PROTOCOL_VERSION = 1;

const instanceId = z.custom<InstanceId>((v) => typeof v === "string");
const containerId = z.custom<ContainerId>((v) => typeof v === "string");
const leaseId = z.custom<LeaseId>((v) => typeof v === "string");
const invocationId = z.custom<InvocationId>((v) => typeof v === "string");
const functionKey = z.custom<FunctionKey>((v) => typeof v === "string");
const runtime = z.enum(RUNTIMES);
/** Of times and sizes: what measures or counts them downstream takes no other, and JSON can say more (`1e999` is infinite). */
const figure = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

/** What a blank container needs to become a function's. */
export const assignmentSchema = z.object({
  functionKey,
  accountId: z.string(),
  functionName: z.string(),
  version: z.string(),
  functionArn: z.string(),
  handler: z.string(),
  /** Folder of the unpacked code, as seen by the agent. A host agent puts its own host's path here. */
  codeDir: z.string(),
  /** SHA-256 of the code's archive, lower-case hex: by which a host agent fetches it. */
  codeSha256Hex: z.string(),
  /** What the container sees at /opt; absent: nothing. */
  layers: z
    .object({
      /** Folder of the layers laid over each other; a host agent puts its own host's path here too. */
      dir: z.string(),
      /** Of their archives, the lowest first. */
      sha256Hexes: z.array(z.string()),
    })
    .optional(),
  environment: z.record(z.string(), z.string()),
  /** The container's real limit. */
  memoryMiB: z.number(),
  /** What the function's settings state, and what it is told it has. Absent: the real limit. */
  requestedMemoryMiB: z.number().optional(),
  /** The agent may raise the limit so far, live, before the kernel kills the container at it. Absent: not at all. */
  rescueMemoryMiB: z.number().optional(),
  /** What the server packs the instance by; the container's report tells it to a later server. Absent: the limit. */
  reservedMiB: z.number().optional(),
  /** What the server thinks it may need at its most, for a later one likewise. Absent: the server does not say. */
  needMiB: z.number().optional(),
  cpuMilli: z.number(),
  timeoutMs: z.number(),
  ephemeralStorageMiB: z.number(),
  region: z.string(),
  /** As `FunctionVersion` has them. */
  logGroup: z.string().optional(),
  logFormat: z.enum(["Text", "JSON"]).optional(),
  applicationLogLevel: z.enum(LOG_LEVELS).optional(),
  systemLogLevel: z.enum(SYSTEM_LOG_LEVELS).optional(),
  /** What the function is told its log stream is, and what the container's report tells a later server. Absent: any name. */
  logStream: z.string().optional(),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** What a server orders an agent to do. */
export const serverMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    protocolVersion: z.number(),
    /** An idle container is frozen after this long without an execution. */
    freezeAfterMs: z.number(),
    heartbeatMs: z.number(),
    /** Without a server for this long, the agent ends its instance. */
    orphanMs: z.number(),
    /** Memory limit of a blank container. */
    blankMemoryMiB: z.number(),
    /**
     * `pressure` is told when the containers together hold so much memory that cannot be reclaimed, and again when it is
     * below the second. Absent: never.
     */
    pressureAtMiB: z.number().optional(),
    pressureClearMiB: z.number().optional(),
  }),
  z.object({ kind: z.literal("createContainer"), containerId, runtime }),
  /** The payload of the frame is the invocation's. */
  z.object({
    kind: z.literal("run"),
    containerId,
    leaseId,
    invocationId,
    invokedArn: z.string(),
    /** Executions of this invocation begun before this one. */
    retries: z.number(),
    clientContext: z.string().optional(),
    traceId: z.string().optional(),
    /** Present on a cold start: the container is blank and becomes this function's. */
    assignment: assignmentSchema.optional(),
    /** The agent keeps the result until `ack`, and sends it again to a server that joins later. */
    keepResult: z.boolean(),
    /** A response that the function streams comes in `chunk`s before `finished`. Absent: it is collected, up to the limit of others. */
    stream: z.boolean().optional(),
    /** `begun` is wanted. */
    tellBegun: z.boolean().optional(),
  }),
  /** So many bytes of the response that the run of this lease streams were taken: the function may write as many more. */
  z.object({ kind: z.literal("credit"), containerId, leaseId, bytes: figure }),
  /**
   * A blank container loads the function ahead of its first run: answered by `prewarmed`, or by `containerGone` when it
   * cannot. Runs after it carry no assignment; one that comes before the answer waits, and takes its place.
   */
  z.object({ kind: z.literal("prewarm"), containerId, assignment: assignmentSchema }),
  z.object({ kind: z.literal("ack"), leaseId }),
  z.object({ kind: z.literal("destroyContainer"), containerId }),
  /** Ends the agent and its instance. */
  z.object({ kind: z.literal("exit"), reason: z.string() }),
]);
export type ServerMessage = z.infer<typeof serverMessageSchema>;

const logGroup = z.string().regex(LOG_GROUP_NAME);
const logStream = z.string().regex(LOG_STREAM_NAME);

const containerReportSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("blank"), containerId, runtime }),
  z.object({
    state: z.literal("idle"),
    containerId,
    runtime,
    functionKey,
    memoryMiB: figure,
    reservedMiB: figure.optional(),
    needMiB: figure.optional(),
    cpuMilli: figure.optional(),
    logGroup: logGroup.optional(),
    logStream: logStream.optional(),
    /** Its function was loaded by a `prewarm`. Absent: it was not, or the agent does not say. */
    isInitializedAhead: z.boolean().optional(),
  }),
  z.object({
    state: z.literal("running"),
    containerId,
    runtime,
    functionKey,
    memoryMiB: figure,
    reservedMiB: figure.optional(),
    needMiB: figure.optional(),
    cpuMilli: figure.optional(),
    logGroup: logGroup.optional(),
    logStream: logStream.optional(),
    isInitializedAhead: z.boolean().optional(),
    leaseId,
    invocationId,
  }),
]);

const outcomeSchema = z.enum(OUTCOMES);

/** What an agent tells its server. */
export const agentMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    protocolVersion: z.number(),
    token: z.string(),
    instanceId,
    subPool: z.enum(["fixed", "variable"]),
    offerId: z.custom<OfferId>((v) => typeof v === "string"),
    shape: z.object({ memoryMiB: figure, cpuMilli: figure }),
    /** It becomes part of paths. */
    accountId: z
      .string()
      .regex(/^\d{12}$/)
      .optional(),
    containers: z.array(containerReportSchema),
    /** Invocations whose kept results follow: no server acknowledged them yet. */
    keptInvocationIds: z.array(invocationId),
    /** Process id of the agent as the host sees it is the provider's business; this is for people. */
    isolation: z.string(),
    /** It tells `begun` if a run asks for that. */
    tellsBegun: z.boolean().optional(),
  }),
  /** `memoryBytes`: what it holds, blank. Absent: cannot tell. */
  z.object({
    kind: z.literal("containerReady"),
    containerId,
    startMs: figure,
    memoryBytes: figure.optional(),
  }),
  /** The container holds the function of its `prewarm` and waits. Not said of one that a `hello` reported as idle meanwhile. */
  z.object({ kind: z.literal("prewarmed"), containerId, initUs: figure }),
  z.object({ kind: z.literal("containerGone"), containerId, reason: z.string() }),
  /** The container's memory limit was raised live, and stays so. A `hello` reports the limit of its moment. */
  z.object({ kind: z.literal("containerResized"), containerId, memoryMiB: figure }),
  /** The memory of the instance's containers rose over, or fell below, what `welcome` named. */
  z.object({
    kind: z.literal("pressure"),
    memoryUsedMiB: figure,
    /** Part of the time since the last report, or the last seconds, in which something waited for memory. Absent: cannot tell. */
    memoryStallShare: figure.optional(),
  }),
  /**
   * The init that a cold run began with is over, or failed and is repeated as part of the execution, which begins here. Said of
   * runs with `tellBegun`, unless their container ends before.
   */
  z.object({ kind: z.literal("begun"), containerId, leaseId, invocationId }),
  /** The payload of the frame is the function's response or its error object. */
  z.object({
    kind: z.literal("finished"),
    containerId,
    leaseId,
    invocationId,
    outcome: outcomeSchema,
    /** The container can take another execution. False: `containerGone` follows. */
    containerUsable: z.boolean(),
    wallUs: figure,
    cpuUs: figure.optional(),
    memoryPeakBytes: figure.optional(),
    initUs: figure.optional(),
    throttledUs: figure.optional(),
    memoryStallUs: figure.optional(),
    cacheBytes: figure.optional(),
    memoryLimitMiB: figure.optional(),
    cpuMilli: figure.optional(),
    /** Absent: 0. */
    rescues: figure.optional(),
    /** `exit status 1`, `signal: killed`. */
    exit: z.string().optional(),
  }),
  /**
   * The payload of the frame is the next piece of a response that is streamed; the first carries its content type and may
   * be empty. Never more than STREAM_WINDOW_BYTES without `credit`.
   */
  z.object({ kind: z.literal("chunk"), containerId, leaseId, invocationId, contentType: z.string().optional() }),
  /** The payload of the frame is text the function wrote; `invocationId` is absent between executions. */
  z.object({
    kind: z.literal("log"),
    containerId,
    functionKey: functionKey.optional(),
    invocationId: invocationId.optional(),
  }),
  z.object({ kind: z.literal("heartbeat") }),
]);
export type AgentMessage = z.infer<typeof agentMessageSchema>;

/**
 * Checks a message of the server. The one of every warm invocation is checked by hand: zod takes 2 to 3 µs for it in
 * a process that does much else (profile of the warm path, docs/design/0003). @throws Error naming what does not fit.
 */
export function parseServerMessage(header: unknown): ServerMessage {
  const message = header as Partial<Record<string, unknown>> | null;
  const isWarmRun =
    message?.["kind"] === "run" &&
    message["assignment"] === undefined &&
    typeof message["containerId"] === "string" &&
    typeof message["leaseId"] === "string" &&
    typeof message["invocationId"] === "string" &&
    typeof message["invokedArn"] === "string" &&
    typeof message["retries"] === "number" &&
    typeof message["keepResult"] === "boolean" &&
    isTextOrAbsent(message["clientContext"]) &&
    isTextOrAbsent(message["traceId"]) &&
    (message["stream"] === undefined || typeof message["stream"] === "boolean");
  return isWarmRun ? (message as ServerMessage) : serverMessageSchema.parse(header);
}

/** Checks a message of an agent; the end of every invocation and the pieces of streamed ones by hand, see `parseServerMessage`. @throws Error likewise. */
export function parseAgentMessage(header: unknown): AgentMessage {
  const message = header as Partial<Record<string, unknown>> | null;
  const isFinished =
    message?.["kind"] === "finished" &&
    typeof message["containerId"] === "string" &&
    typeof message["leaseId"] === "string" &&
    typeof message["invocationId"] === "string" &&
    KNOWN_OUTCOMES.has(message["outcome"]) &&
    typeof message["containerUsable"] === "boolean" &&
    isFigure(message["wallUs"]) &&
    isFigureOrAbsent(message["cpuUs"]) &&
    isFigureOrAbsent(message["memoryPeakBytes"]) &&
    isFigureOrAbsent(message["initUs"]) &&
    isFigureOrAbsent(message["throttledUs"]) &&
    isFigureOrAbsent(message["memoryStallUs"]) &&
    isFigureOrAbsent(message["cacheBytes"]) &&
    isFigureOrAbsent(message["memoryLimitMiB"]) &&
    isFigureOrAbsent(message["cpuMilli"]) &&
    isFigureOrAbsent(message["rescues"]) &&
    isTextOrAbsent(message["exit"]);
  if (isFinished) return message as AgentMessage;
  const isChunk =
    message?.["kind"] === "chunk" &&
    typeof message["containerId"] === "string" &&
    typeof message["leaseId"] === "string" &&
    typeof message["invocationId"] === "string" &&
    isTextOrAbsent(message["contentType"]);
  return isChunk ? (message as AgentMessage) : agentMessageSchema.parse(header);
}

const KNOWN_OUTCOMES: ReadonlySet<unknown> = new Set(OUTCOMES);

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function isFigure(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

function isFigureOrAbsent(value: unknown): boolean {
  return value === undefined || isFigure(value);
}
