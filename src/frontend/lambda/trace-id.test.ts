import fc from "fast-check";
import { expect, test } from "vitest";
import { newTraceId, traceIdOf, traceStateOf } from "./trace-id.ts";

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""));

test("a caller that traces by W3C's rules is told to the function in X-Ray's form", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  expect(traceIdOf({ traceparent })).toBe("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1");
  expect(traceIdOf({ traceparent: `${traceparent.slice(0, -2)}02` })).toMatch(/;Sampled=0$/);
  expect(traceIdOf({ traceparent: `cc${traceparent.slice(2)}-what-will-be` })).toMatch(/^Root=1-4bf92f35-/);
  expect(traceIdOf({ traceparent, "x-amzn-trace-id": "Root=1-2-3" })).toBe("Root=1-2-3");
});

test("a trace state is kept beside the trace that it belongs to", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  expect(traceStateOf({ traceparent, tracestate: "congo=t61,rojo=1" })).toBe("congo=t61,rojo=1");
  expect(traceStateOf({ traceparent, tracestate: ["congo=t61", "rojo=1"] as never })).toBe("congo=t61,rojo=1");
  for (const headers of [
    { traceparent },
    { tracestate: "congo=t61" },
    { traceparent: "00-0-0-00", tracestate: "congo=t61" },
    { traceparent, tracestate: `congo=${"x".repeat(512)}` },
    // X-Ray's header is the one that counts.
    { traceparent, tracestate: "congo=t61", "x-amzn-trace-id": "Root=1-2-3" },
  ]) {
    expect(traceStateOf(headers)).toBeUndefined();
  }
});

test("trace and parent are kept, whatever they are", () => {
  fc.assert(
    fc.property(hex(32), hex(16), hex(2), (trace, parent, flags) => {
      fc.pre(/[^0]/.test(trace) && /[^0]/.test(parent));
      const told = traceIdOf({ traceparent: `00-${trace}-${parent}-${flags}` }) ?? "";
      expect(told.replace(/^Root=1-|-|;.*$/g, "")).toBe(trace);
      expect(told).toContain(`;Parent=${parent};Sampled=${Number.parseInt(flags, 16) % 2}`);
    }),
  );
});

test.each([
  "",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
  "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
  "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-012",
])("%j is no trace's", (traceparent) => {
  expect(traceIdOf({ traceparent })).toBeUndefined();
});

test("a new trace is of its time", () => {
  expect(newTraceId(0x6a0f1e2d * 1000)).toMatch(/^Root=1-6a0f1e2d-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$/);
});

test("where spans are recorded a new trace has no span yet, and no decision about it", () => {
  expect(newTraceId(0x6a0f1e2d * 1000, true)).toMatch(/^Root=1-6a0f1e2d-[0-9a-f]{24}$/);
});
