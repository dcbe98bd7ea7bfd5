import fc from "fast-check";
import { expect, test } from "vitest";
import { OUTCOMES } from "../model/invocation.ts";
import { initReport } from "./init-report.ts";

const error = (errorType: unknown) => Buffer.from(JSON.stringify({ errorType, errorMessage: "m" }));

test("an init that took too long, and one that failed", () => {
  expect(initReport(10_000_123, "timeout", Buffer.alloc(0))).toBe(
    "INIT_REPORT Init Duration: 10000.12 ms\tPhase: init\tStatus: timeout\n",
  );
  expect(initReport(1500, "initError", error("Runtime.ImportModuleError"))).toBe(
    "INIT_REPORT Init Duration: 1.50 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n",
  );
});

test.each([
  ["exit", "Runtime.ExitError"],
  ["outOfMemory", "Runtime.OutOfMemory"],
  ["responseTooLarge", "Function.ResponseSizeTooLarge"],
] as const)("%s is a %s", (outcome, errorType) => {
  expect(initReport(0, outcome, Buffer.alloc(0))).toContain(`\tStatus: error\tError Type: ${errorType}\n`);
});

test("a failure of the agent is not the function's", () => {
  expect(initReport(0, "agentFault", Buffer.alloc(0))).toBeUndefined();
});

test("whatever the function says, it is one line", () => {
  const payload = fc.oneof(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("A\tStatus: ok", "A\nB", "")).map(error),
  );
  fc.assert(
    fc.property(fc.constantFrom(...OUTCOMES), payload, (outcome, body) => {
      const line = initReport(1, outcome, body);
      if (line !== undefined)
        expect(line).toMatch(/^INIT_REPORT [^\n\t]+\tPhase: init\tStatus: [^\n\t]+(\t[^\n\t]+)?\n$/);
    }),
  );
});
