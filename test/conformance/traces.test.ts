import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { Collector, type ReceivedSpan } from "./otlp-fixture/collector.ts";
import { provider } from "./provider.ts";

const LATE_MS_MAX = 10_000;
const PARENT = "00f067aa0ba902b7";
const FUNCTION = `
exports.handler = async (event) => {
  if (event.fails) throw new RangeError("too far");
  return { told: process.env._X_AMZN_TRACE_ID };
};
`;

/**
 * One server that sends its traces to a collector. No collector that others wrote is to be had as a package, so the test has
 * its own, which reads what comes by OpenTelemetry's definition of the protocol.
 */
describe("traces", () => {
  const collector = new Collector();
  let hearth: HearthProcess;
  let lambda: LambdaCaller;

  beforeAll(async () => {
    await collector.start();
    hearth = await HearthProcess.start({
      provider,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=secret",
        OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
        OTEL_SERVICE_NAME: "shop",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
        OTEL_EXPORTER_OTLP_TIMEOUT: "500",
        HEARTH_ASYNC_RETRY_SECONDS: "0,0",
      },
    });
    lambda = new LambdaCaller(() => hearth.url);
    await lambda.deploy("f", { files: { "index.js": FUNCTION } });
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
    await collector.stop();
  });

  const call = async (name: string, headers: Record<string, string> = {}, payload: object = {}) => {
    const path = `/2015-03-31/functions/${name}/invocations`;
    const answer = await lambda.request("POST", path, JSON.stringify(payload), headers);
    const json = answer.body.length === 0 ? undefined : (JSON.parse(answer.body.toString()) as { told?: string });
    return { ...answer, id: String(answer.headers["x-amzn-requestid"]), told: json?.told ?? "" };
  };
  const isOwn = (id: string) => (span: ReceivedSpan) => span.attributes["faas.invocation_id"] === id;
  const ownOf = async (id: string) => (await collector.received(isOwn(id), 1))[0]!;
  const partsOf = ({ spanId }: ReceivedSpan) =>
    collector.spans.filter(({ parentSpanId }) => parentSpanId === spanId).sort((a, b) => Number(a.startNs - b.startNs));
  const toldOf = ({ traceId, spanId }: ReceivedSpan) =>
    `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)};Parent=${spanId};Sampled=1`;
  /** A trace that only the test that asks knows. */
  let traces = 0;
  const newTrace = () => `4bf92f3577b34da6a3ce929d0e0e${(++traces).toString(16).padStart(4, "0")}`;

  test("a call begins one: a cold one starts, loads and runs, a warm one runs", async () => {
    const cold = await call("f");
    const warm = await call("f");
    const [first, second] = [await ownOf(cold.id), await ownOf(warm.id)];
    expect(first).toMatchObject({
      name: "f",
      kind: "SERVER",
      parentSpanId: "",
      scope: "hearth",
      status: { code: 0 },
      resource: { "service.name": "shop", "deployment.environment.name": "test", "telemetry.sdk.language": "nodejs" },
      headers: { "api-key": "secret", "content-type": "application/x-protobuf", "content-encoding": "gzip" },
      attributes: {
        "faas.coldstart": true,
        "faas.name": "f",
        "faas.version": "$LATEST",
        "faas.trigger": "other",
        "cloud.account.id": "000000000000",
        "cloud.resource_id": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "hearth.sub_pool": "fixed",
        "hearth.response.bytes": cold.body.length,
      },
    });
    expect(second.attributes["faas.coldstart"]).toBe(false);
    expect(second.attributes["faas.instance"]).toBe(first.attributes["faas.instance"]);
    // On a busy machine whatever is placed at once may take long enough to count as a wait.
    const phases = (own: ReceivedSpan) => partsOf(own).flatMap(({ name }) => (name === "wait" ? [] : [name]));
    expect(phases(first)).toEqual(["start", "init", "run"]);
    expect(phases(second)).toEqual(["run"]);
    for (const [own, { told, headers }] of [
      [first, cold],
      [second, warm],
    ] as const) {
      expect(told).toBe(toldOf(own));
      expect(toldOf(own)).toContain(`${headers["x-amzn-trace-id"]};`);
      for (const part of partsOf(own)) {
        expect(part).toMatchObject({ traceId: own.traceId, kind: "INTERNAL" });
        expect(part.startNs >= own.startNs && part.endNs <= own.endNs && part.startNs <= part.endNs).toBe(true);
      }
    }
    expect(Math.abs(Number(first.endNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  test("a caller that traces by W3C's rules has it below its span, and below it whatever the function calls", async () => {
    const traceId = newTrace();
    const outer = await call("f", { traceparent: `00-${traceId}-${PARENT}-01`, tracestate: "congo=t61,rojo=1" });
    const inner = await call("f", { "X-Amzn-Trace-Id": outer.told });
    const [above, below] = [await ownOf(outer.id), await ownOf(inner.id)];
    expect(above).toMatchObject({ traceId, parentSpanId: PARENT, traceState: "congo=t61,rojo=1" });
    expect(below).toMatchObject({ traceId, parentSpanId: above.spanId });
    expect([outer.told, inner.told]).toEqual([toldOf(above), toldOf(below)]);
  });

  test("what fails, and what is refused, is an error", async () => {
    await lambda.deploy("closed", { files: { "index.js": FUNCTION } });
    const concurrency = JSON.stringify({ ReservedConcurrentExecutions: 0 });
    await lambda.request("PUT", "/2017-10-31/functions/closed/concurrency", concurrency);
    const [failed, refused] = [await call("f", {}, { fails: true }), await call("closed")];
    expect([failed.status, refused.status]).toEqual([200, 429]);
    expect(await ownOf(failed.id)).toMatchObject({
      status: { code: 2, message: "too far" },
      attributes: { "error.type": "RangeError", "hearth.outcome": "functionError" },
    });
    const own = await ownOf(refused.id);
    expect(own).toMatchObject({
      status: { code: 2 },
      attributes: {
        "error.type": "RESERVED_CONCURRENCY_LIMIT",
        "hearth.outcome": "rejected",
        "hearth.throttle_reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
      },
    });
    expect(partsOf(own).map(({ name }) => name)).not.toContain("run");
  });

  test("every attempt of an event belongs to its caller's trace", async () => {
    const traceId = newTrace();
    const traced = { traceparent: `00-${traceId}-${PARENT}-01`, tracestate: "congo=t61" };
    const headers = { ...traced, "X-Amz-Invocation-Type": "Event" };
    const { id, status } = await call("f", headers, { fails: true });
    expect(status).toBe(202);
    const attempts = await collector.received(isOwn(id), 3);
    expect(attempts.map(({ attributes }) => attributes["hearth.attempt"])).toEqual([1, 2, 3]);
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({
        traceId,
        parentSpanId: PARENT,
        traceState: "congo=t61",
        attributes: { "hearth.mode": "asynchronous", "faas.trigger": "other" },
      });
    }
    expect(new Set(attempts.map(({ spanId }) => spanId)).size).toBe(3);
  });

  test("a caller that does not sample is told on unchanged, and nothing is recorded", async () => {
    const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
    const quiet = await call("f", { "X-Amzn-Trace-Id": header });
    const loud = await call("f");
    await ownOf(loud.id); // Spans are sent in the order of their ends.
    expect(quiet.told).toBe(header);
    expect(collector.spans.filter(({ traceId }) => traceId === "5759e988bd862e3fe1be46a994272793")).toEqual([]);
  });

  test("while the collector is away calls are answered, spans counted, and that is said once; then it goes on", async () => {
    const dropped = async () => {
      const text = await (await fetch(`${hearth.url}/metrics`)).text();
      return Number(/^hearth_spans_dropped_total\{reason="export_failed"\} (\d+)$/m.exec(text)?.[1]);
    };
    /** How often the log says it, once it does: its lines come a moment after what they are about. */
    const mentions = (what: string) =>
      eventually(
        async () => hearth.log.split("\n").filter((line) => line.includes(what)).length,
        (count) => count > 0,
        LATE_MS_MAX,
      );
    expect(await dropped()).toBe(0);
    await collector.stop();
    const calls = await Promise.all(Array.from({ length: 20 }, () => call("f")));
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(await eventually(dropped, (count) => count > 0, LATE_MS_MAX)).toBeGreaterThan(0);
    expect(await mentions("the collector of traces takes no spans")).toBe(1);
    await collector.start();
    await ownOf((await call("f")).id);
    expect(await mentions("the collector of traces takes spans again")).toBe(1);
  });

  test("a server that ends hands over what it has", async () => {
    const { id } = await call("f");
    expect(await hearth.stop()).toBe(0);
    expect(collector.spans.filter(isOwn(id))).toHaveLength(1);
  });
});
