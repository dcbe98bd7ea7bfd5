import fc from "fast-check";
import { expect, test } from "vitest";
import { errorTypeOf } from "./error-type.ts";
import { OUTCOMES } from "./invocation.ts";

const error = (errorType: unknown) => Buffer.from(JSON.stringify({ errorType, errorMessage: "m" }));

test("the function's own, where it gave one", () => {
  expect(errorTypeOf("initError", error("Runtime.ImportModuleError"))).toBe("Runtime.ImportModuleError");
  expect(errorTypeOf("initError", error("two words"))).toBe("Runtime.Unknown");
  expect(errorTypeOf("exit", error("Mine"))).toBe("Runtime.ExitError");
});

test("a failure of the agent is not the function's", () => {
  expect(errorTypeOf("agentFault", error("Mine"))).toBeUndefined();
});

test("whatever the function says, it is one word", () => {
  const payload = fc.oneof(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("A\tStatus: ok", "A\nB", "")).map(error),
  );
  fc.assert(
    fc.property(fc.constantFrom(...OUTCOMES), payload, (outcome, body) => {
      expect(errorTypeOf(outcome, body) ?? "none").toMatch(/^[\w.]+$/);
    }),
  );
});
