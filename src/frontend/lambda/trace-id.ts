import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Real ones are about a hundred; an event keeps its own for hours. */
const TRACE_ID_LENGTH_MAX = 512;
/** https://www.w3.org/TR/trace-context: version, trace, parent, flags. Later versions may say more behind them. */
const TRACE_PARENT =
  /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{8})([0-9a-f]{24})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
/** What everybody has to hand on by W3C's rules; longer ones may be dropped. */
const TRACE_STATE_LENGTH_MAX = 512;
const SAMPLED_FLAG = 1;

/**
 * What a function is told of the trace that its caller is part of, in X-Ray's form: as `X-Amzn-Trace-Id` says it, or
 * `traceparent` of callers that trace by W3C's rules. undefined: the caller sent none that is worth keeping.
 */
export function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const own = headers["x-amzn-trace-id"];
  if (typeof own === "string" && own.length <= TRACE_ID_LENGTH_MAX) return own;
  const parent = headers["traceparent"];
  return typeof parent === "string" ? fromTraceParent(parent) : undefined;
}

/**
 * What else a caller that traces by W3C's rules says of its trace, for those above and beside it: as it says it. undefined: nothing, or what it says
 * belongs to no trace that `traceIdOf` goes on with.
 */
export function traceStateOf(headers: IncomingHttpHeaders): string | undefined {
  const { tracestate, traceparent } = headers;
  if (tracestate === undefined || headers["x-amzn-trace-id"] !== undefined) return undefined;
  // Several headers are one list.
  const text = Array.isArray(tracestate) ? tracestate.join(",") : tracestate;
  const isOfTrace = typeof traceparent === "string" && TRACE_PARENT.test(traceparent);
  return isOfTrace && text.length <= TRACE_STATE_LENGTH_MAX ? text : undefined;
}

function fromTraceParent(text: string): string | undefined {
  const [, timeHex, random, parent, flags = ""] = TRACE_PARENT.exec(text) ?? [];
  if (timeHex === undefined) return undefined;
  const sampled = Number.parseInt(flags, 16) & SAMPLED_FLAG;
  return `Root=1-${timeHex}-${random};Parent=${parent};Sampled=${sampled}`;
}

/** Bytes for trace ids are drawn in bulk: one draw from the system costs more than the rest of the request's parsing. */
let pool = Buffer.alloc(0);
let poolOffset = 0;

/**
 * Root and parent in X-Ray's form; not sampled, because nobody records them.
 * @param isTraced spans are recorded: then it has a root only, its first span is still to come, and so is the decision about it.
 */
export function newTraceId(nowMs: number, isTraced = false): string {
  if (poolOffset + 20 > pool.length) {
    pool = randomBytes(20 * 512);
    poolOffset = 0;
  }
  const random = pool.toString("hex", poolOffset, poolOffset + 20);
  poolOffset += 20;
  const timeHex = Math.floor(nowMs / 1000).toString(16);
  const root = `Root=1-${timeHex}-${random.slice(0, 24)}`;
  return isTraced ? root : `${root};Parent=${random.slice(24)};Sampled=0`;
}
