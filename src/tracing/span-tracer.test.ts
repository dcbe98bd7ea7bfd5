import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { describe, expect, test } from "vitest";
import { finished, invocationStart } from "./invocation-fixture.ts";
import { type SamplerName, samplingOf } from "./sampling.ts";
import { SpanTracer } from "./span-tracer.ts";

const TRACE = "5759e988bd862e3fe1be46a994272793";
const ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793";
const PARENT = "53995c3f42cd8ad8";
const NOW_MS = 1_796_000_000_123;

/** One warm invocation that its caller told `traceId` of. */
function traced(
  traceId: string | undefined,
  sampler: SamplerName = "parentbased_always_on",
  ratio = 1,
  traceState?: string,
) {
  const spans: ReadableSpan[] = [];
  const tracer = new SpanTracer({
    sampling: samplingOf(sampler, ratio),
    resource: emptyResource(),
    version: "1",
    region: "us-east-1",
    clock: { nowMs: () => NOW_MS, monotonicMs: () => 0 },
    onSpan: (span) => void spans.push(span),
  });
  const trace = tracer.begin(invocationStart({ traceId, traceState }));
  const before = spans.length;
  trace.end(finished("ok", { wallUs: 8000 }));
  expect(before).toBe(0);
  return { told: trace.traceId, spans, own: spans.find(({ kind }) => kind === SpanKind.SERVER) };
}

describe("the span of an invocation", () => {
  test("hangs below its caller's, and the function is told that it hangs below this one", () => {
    const { told, own, spans } = traced(`${ROOT};Parent=${PARENT};Sampled=1;Lineage=1:a:0`);
    expect(own?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT, isRemote: true });
    const { traceId, spanId } = own!.spanContext();
    expect(traceId).toBe(TRACE);
    expect(told).toBe(`${ROOT};Parent=${spanId};Sampled=1;Lineage=1:a:0`);
    const [run] = spans;
    expect(run).toMatchObject({ name: "run", kind: SpanKind.INTERNAL, parentSpanContext: { traceId, spanId } });
    expect(new Set([spanId, PARENT, run?.spanContext().spanId]).size).toBe(3);
  });

  test("has its caller's trace state, as all its parts have", () => {
    const { spans } = traced(`${ROOT};Parent=${PARENT};Sampled=1`, undefined, 1, "rojo=00f067aa0ba902b7,congo=t61");
    expect(spans).toHaveLength(2);
    for (const span of spans) {
      expect(span.spanContext().traceState?.serialize()).toBe("rojo=00f067aa0ba902b7,congo=t61");
    }
    const { own } = traced(`${ROOT};Parent=${PARENT};Sampled=1`, undefined, 1, "no state = at all");
    expect(own?.spanContext().traceState?.serialize()).toBe("");
  });

  test("is the first of a trace that has a name only", () => {
    const { told, own } = traced(ROOT);
    expect(own?.parentSpanContext).toBeUndefined();
    expect(told).toBe(`${ROOT};Parent=${own?.spanContext().spanId};Sampled=1`);
  });

  test.each([undefined, "Root=1-2-3;Parent=4", ""])("begins a trace of its time where %j was told", (traceId) => {
    const { told, own } = traced(traceId);
    expect(own?.parentSpanContext).toBeUndefined();
    const { traceId: id, spanId } = own!.spanContext();
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(Number.parseInt(id.slice(0, 8), 16)).toBe(Math.floor(NOW_MS / 1000));
    expect(told).toBe(`Root=1-${id.slice(0, 8)}-${id.slice(8)};Parent=${spanId};Sampled=1`);
  });

  test("has the host's time, to the microsecond", () => {
    const { own, spans } = traced(undefined);
    expect(own).toMatchObject({ startTime: [1_796_000_000, 123_000_000], endTime: [1_796_000_000, 133_000_000] });
    expect(spans[0]).toMatchObject({ startTime: [1_796_000_000, 125_000_000], duration: [0, 8_000_000] });
    expect(own).toMatchObject({ status: { code: SpanStatusCode.UNSET }, ended: true });
    expect(Object.values(own!.attributes)).not.toContain(undefined);
  });
});

describe("sampling", () => {
  test("a caller that does not sample is respected, and what it said is handed on", () => {
    const header = `${ROOT};Parent=${PARENT};Sampled=0`;
    expect(traced(header)).toMatchObject({ told: header, spans: [] });
  });

  test("who is told of no decision is told of this one", () => {
    const { told, spans } = traced(ROOT, "parentbased_always_off");
    expect(spans).toEqual([]);
    expect(told).toMatch(/^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=[0-9a-f]{16};Sampled=0$/);
  });

  test("by OTEL_TRACES_SAMPLER's rules", () => {
    const counts = (name: SamplerName, ratio = 1) =>
      [`${ROOT};Parent=${PARENT};Sampled=1`, `${ROOT};Parent=${PARENT};Sampled=0`, ROOT].map(
        (header) => traced(header, name, ratio).spans.length > 0,
      );
    expect(counts("always_on")).toEqual([true, true, true]);
    expect(counts("always_off")).toEqual([false, false, false]);
    expect(counts("parentbased_always_off")).toEqual([true, false, false]);
    expect(counts("parentbased_traceidratio", 0)).toEqual([true, false, false]);
    expect(counts("traceidratio", 1)).toEqual([true, true, true]);
  });

  test("of many new traces the share that is asked for is recorded", () => {
    const recorded = Array.from(
      { length: 400 },
      () => traced(undefined, "parentbased_traceidratio", 0.25).spans.length > 0,
    );
    const count = recorded.filter(Boolean).length;
    // 100 ± 6 standard deviations.
    expect(count).toBeGreaterThan(48);
    expect(count).toBeLessThan(152);
  });
});
