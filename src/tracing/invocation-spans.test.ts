import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../model/error-code.ts";
import { OUTCOMES } from "../model/invocation.ts";
import type { InvocationEnd } from "../ports/invocation-tracer.ts";
import { finished, invocationStart, leaseOf } from "./invocation-fixture.ts";
import { invocationSpans } from "./invocation-spans.ts";

const spansOf = (end: InvocationEnd, start = invocationStart()) => invocationSpans(start, end, "us-east-1");
/** `NAME FROM-TO`, with ! behind what went wrong. */
const timeline = (end: InvocationEnd) =>
  spansOf(end).map(({ name, fromMs, toMs, error }) => `${name} ${fromMs}-${toMs}${error === undefined ? "" : "!"}`);

describe("the parts of an invocation", () => {
  test("a warm one runs", () => {
    expect(timeline(finished("ok", { wallUs: 8000 }))).toEqual(["f 0-10", "run 2-10"]);
  });

  test("a cold one starts a container, loads the function and runs", () => {
    const cold = { lease: leaseOf("cold"), waitedMs: 0.5, tookMs: 100 };
    const parts = ["f 0-100", "start 0.5-60", "init 60-90", "run 90-100"];
    expect(timeline(finished("ok", { wallUs: 10_000, initUs: 30_000 }, cold))).toEqual(parts);
  });

  test("one that found no room at once waits first, and says for what", () => {
    const lease = leaseOf("warm", {
      waitedFor: [
        { kind: "price", text: "" },
        { kind: "window", text: "" },
      ],
    });
    const end = finished("ok", { wallUs: 2000 }, { lease, waitedMs: 40, tookMs: 50 });
    expect(timeline(end)).toEqual(["f 0-50", "wait 0-40", "run 48-50"]);
    expect(spansOf(end)[1]?.attributes["hearth.waited_for"]).toBe("price,window");
  });

  test("one that is refused at once has none; one that waited in vain has waited", () => {
    const refused = {
      answer: { kind: "rejected", code: "CONCURRENCY_LIMIT" },
      lease: undefined,
      waitedMs: undefined,
    } as const;
    expect(timeline({ ...refused, tookMs: 0.02 })).toEqual(["f 0-0.02!"]);
    expect(timeline({ ...refused, tookMs: 30_000 })).toEqual(["f 0-30000!", "wait 0-30000!"]);
  });

  test("one that is cut off ran until then", () => {
    const answer = { kind: "rejected", code: "INSTANCE_LOST" } as const;
    expect(timeline({ answer, lease: leaseOf("warm"), waitedMs: 0, tookMs: 70 })).toEqual(["f 0-70!", "run 0-70!"]);
  });

  test("one whose function cannot be loaded does not run", () => {
    const cold = { lease: leaseOf("cold"), waitedMs: 0, tookMs: 100 };
    const end = finished("initError", { wallUs: 40_000, initUs: 40_000 }, cold);
    expect(timeline(end)).toEqual(["f 0-100!", "start 0-60", "init 60-100!"]);
  });

  test("lie inside it and one behind the other, whatever an agent claims", () => {
    const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
    const us = fc.double({ min: 0, max: 1e10, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...OUTCOMES),
        fc.constantFrom("warm", "cold"),
        ms,
        ms,
        us,
        us,
        (outcome, start, a, b, wallUs, initUs) => {
          const [waitedMs, tookMs] = a < b ? [a, b] : [b, a];
          const [own, ...parts] = spansOf(
            finished(outcome, { wallUs, initUs }, { lease: leaseOf(start), waitedMs, tookMs }),
          );
          expect(own).toMatchObject({ fromMs: 0, toMs: tookMs });
          let lastMs = 0;
          for (const { fromMs, toMs } of parts) {
            expect(fromMs).toBeGreaterThanOrEqual(lastMs);
            expect(toMs).toBeGreaterThanOrEqual(fromMs);
            lastMs = toMs;
          }
          expect(lastMs).toBeLessThanOrEqual(tookMs);
          expect(own?.error === undefined).toBe(outcome === "ok");
        },
      ),
    );
  });
});

describe("what is said of an invocation", () => {
  test("has the names of OpenTelemetry's conventions", () => {
    const usage = { wallUs: 2500, initUs: 30_000, cpuUs: 1500, memoryPeakBytes: 5e6, memoryLimitMiB: 64 };
    const [own, , , run] = spansOf(finished("ok", usage, { lease: leaseOf("cold"), tookMs: 50, payload: "[1]" }));
    expect(own?.attributes).toMatchObject({
      "faas.invocation_id": "8f507cfc-xmpl-4697-b07a-ac58fc914c95",
      "faas.name": "f",
      "faas.version": "$LATEST",
      "faas.trigger": "other",
      "faas.max_memory": 134_217_728,
      "faas.coldstart": true,
      "faas.instance": "c-1",
      "cloud.account.id": "000000000000",
      "cloud.region": "us-east-1",
      "cloud.resource_id": "arn:aws:lambda:us-east-1:000000000000:function:f",
      "aws.lambda.invoked_arn": "arn:aws:lambda:us-east-1:000000000000:function:f:live",
      "hearth.outcome": "ok",
      "hearth.sub_pool": "fixed",
      "hearth.instance": "i-1",
      "hearth.request.bytes": 2,
      "hearth.response.bytes": 3,
      "hearth.billed_ms": 33,
      "error.type": undefined,
    });
    expect(run?.attributes).toMatchObject({ "hearth.cpu_ms": 1.5, "hearth.memory.peak_bytes": 5e6 });
  });

  test("a queued one says which attempt it is, and what made it", () => {
    const start = invocationStart({ trigger: "timer" }, { mode: "asynchronous", retries: 2 });
    expect(spansOf(finished("ok", {}), start)[0]?.attributes).toMatchObject({
      "hearth.mode": "asynchronous",
      "hearth.attempt": 3,
      "faas.trigger": "timer",
    });
    // An event of an earlier version does not tell.
    const old = invocationStart({}, { mode: "asynchronous", retries: 0 });
    expect(spansOf(finished("ok", {}), old)[0]?.attributes).toMatchObject({ "faas.trigger": undefined });
  });

  const errorOf = (end: InvocationEnd) => spansOf(end)[0]?.error;

  test("an error has the function's own words where it has some", () => {
    const payload = JSON.stringify({ errorType: "TypeError", errorMessage: "x is no function", trace: [] });
    expect(errorOf(finished("functionError", {}, { payload }))).toEqual({
      type: "TypeError",
      message: "x is no function",
    });
    expect(errorOf(finished("functionError", {}, { payload: "{no" }))).toEqual({
      type: "functionError",
      message: undefined,
    });
    expect(errorOf(finished("functionError", {}, { payload: "null" }))).toEqual({
      type: "functionError",
      message: undefined,
    });
  });

  test("else Lambda's", () => {
    expect(errorOf(finished("timeout", {}))?.type).toBe("Sandbox.Timedout");
    expect(errorOf(finished("exit", {}, { exit: "exit status 1" }))).toMatchObject({
      type: "Runtime.ExitError",
      message: expect.stringContaining("exit status 1"),
    });
  });

  test("a refusal has its code, and Lambda's reason if it is a throttle", () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const [own] = spansOf({ answer: { kind: "rejected", code }, lease: undefined, waitedMs: undefined, tookMs: 0 });
      expect(own?.attributes["error.type"]).toBe(code);
    }
    const code = "RESERVED_CONCURRENCY_LIMIT";
    const [own] = spansOf({ answer: { kind: "rejected", code }, lease: undefined, waitedMs: undefined, tookMs: 0 });
    expect(own?.attributes["hearth.throttle_reason"]).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
  });

  test("one whose caller hung up while it waited is no success", () => {
    expect(errorOf({ answer: "cancelled", lease: undefined, waitedMs: undefined, tookMs: 5 })?.type).toBe("cancelled");
  });
});
