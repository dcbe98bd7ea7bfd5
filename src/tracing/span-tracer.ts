import {
  type Attributes,
  createTraceState,
  type HrTime,
  SpanKind,
  type SpanStatus,
  SpanStatusCode,
  TraceFlags,
  type TraceState,
} from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Clock } from "../ports/clock.ts";
import type { InvocationStart, InvocationTrace } from "../ports/invocation-tracer.ts";
import { invocationSpans, type PlannedSpan } from "./invocation-spans.ts";
import type { Sampling } from "./sampling.ts";
import { SpanIds } from "./span-ids.ts";
import { parseXRayHeader, xRayHeaderText } from "./x-ray-header.ts";

export type SpanTracerOptions = {
  readonly sampling: Sampling;
  /** Whom the spans are of. */
  readonly resource: Resource;
  readonly version: string;
  readonly region: string;
  readonly clock: Clock;
  onSpan(span: ReadableSpan): void;
};

type Trace = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: TraceState | undefined;
};

/**
 * Makes the spans of invocations. All that it does before an invocation runs is to choose an id; the spans are put together
 * when it is over, and not by way of OpenTelemetry's tracer, which would begin and end each of them: facts of the past need
 * neither, and cost a fifth so.
 */
export class SpanTracer {
  readonly #options: SpanTracerOptions;
  readonly #ids = new SpanIds();
  readonly #scope: ReadableSpan["instrumentationScope"];

  constructor(options: SpanTracerOptions) {
    this.#options = options;
    this.#scope = { name: "hearth", version: options.version };
  }

  begin(start: InvocationStart): InvocationTrace {
    const { sampling, clock } = this.#options;
    const { traceId: told, traceState: state, version } = start.request;
    const arrivedMs = clock.nowMs();
    const header = told === undefined ? undefined : parseXRayHeader(told);
    const traceId = header?.traceId ?? this.#ids.traceId(arrivedMs);
    if (!sampling(traceId, version.name, header?.isSampled)) {
      // Whoever decided against it and told so is quoted; else the function is told now.
      const isDecided = header?.isSampled === false && header.parentSpanId !== undefined;
      const spanId = header?.parentSpanId ?? this.#ids.spanId();
      const notSampled = isDecided ? told : xRayHeaderText(traceId, spanId, false, header?.others ?? "");
      return { traceId: notSampled, end: () => {} };
    }
    const traceState = state === undefined ? undefined : createTraceState(state);
    const trace = { traceId, spanId: this.#ids.spanId(), parentSpanId: header?.parentSpanId, traceState };
    return {
      traceId: xRayHeaderText(traceId, trace.spanId, true, header?.others ?? ""),
      end: (end) => this.#record(trace, arrivedMs, invocationSpans(start, end, this.#options.region)),
    };
  }

  #record(
    { traceId, spanId, parentSpanId, traceState }: Trace,
    arrivedMs: number,
    [own, ...parts]: PlannedSpan[],
  ): void {
    if (own === undefined) return;
    const state = traceState === undefined ? {} : { traceState };
    const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, ...state };
    const above = parentSpanId === undefined ? undefined : { ...context, spanId: parentSpanId, isRemote: true };
    for (const part of parts) {
      const partContext = { ...context, spanId: this.#ids.spanId() };
      this.#options.onSpan(this.#span(part, arrivedMs, SpanKind.INTERNAL, partContext, context));
    }
    this.#options.onSpan(this.#span(own, arrivedMs, SpanKind.SERVER, context, above));
  }

  #span(
    { name, fromMs, toMs, attributes, error }: PlannedSpan,
    arrivedMs: number,
    kind: SpanKind,
    context: ReturnType<ReadableSpan["spanContext"]>,
    parent: ReadableSpan["parentSpanContext"],
  ): ReadableSpan {
    return {
      name,
      kind,
      spanContext: () => context,
      ...(parent === undefined ? {} : { parentSpanContext: parent }),
      startTime: hrTime(arrivedMs + fromMs),
      endTime: hrTime(arrivedMs + toMs),
      duration: hrTime(toMs - fromMs),
      status: statusOf(error),
      attributes: stated(attributes),
      links: [],
      events: [],
      ended: true,
      resource: this.#options.resource,
      instrumentationScope: this.#scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function statusOf(error: PlannedSpan["error"]): SpanStatus {
  if (error === undefined) return { code: SpanStatusCode.UNSET };
  return { code: SpanStatusCode.ERROR, ...(error.message === undefined ? {} : { message: error.message }) };
}

function stated(attributes: PlannedSpan["attributes"]): Attributes {
  const all: Attributes = {};
  for (const name in attributes) if (attributes[name] !== undefined) all[name] = attributes[name];
  return all;
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))];
}
