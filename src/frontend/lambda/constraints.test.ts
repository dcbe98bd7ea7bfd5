import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { inputViolations, shapeOf } from "./constraints.ts";
import model from "./lambda-constraints.json" with { type: "json" };
import type { LambdaError } from "./lambda-error.ts";

const message = (...given: Parameters<typeof inputViolations>) => {
  try {
    inputViolations(...given).check();
    return undefined;
  } catch (error) {
    return (error as LambdaError).message;
  }
};

test("all that is wrong is said at once, in the order of the model", () => {
  expect(
    message("CreateFunction", { FunctionName: "f", Timeout: 901, MemorySize: 1, EphemeralStorage: { Size: 1 } }),
  ).toBe(
    "5 validation errors detected: Value null at 'role' failed to satisfy constraint: Member must not be null; " +
      "Value null at 'code' failed to satisfy constraint: Member must not be null; " +
      "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900; " +
      "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128; " +
      "Value '1' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512",
  );
});

test("members that other rules check, and those that are absent, are left alone", () => {
  expect(
    message("UpdateFunctionConfiguration", { Runtime: "any", Timeout: null }, ["FunctionName", "Runtime"]),
  ).toBeUndefined();
  expect(message("UpdateFunctionConfiguration", { Runtime: "any" }, ["FunctionName"])).toContain("'runtime'");
});

test("every operation can be asked about anything that has the types of the model", () => {
  const anything = fc.dictionary(
    fc.constantFrom("FunctionName", "Qualifier", "Description", "Name", "FunctionVersion", "Role", "Handler"),
    fc.oneof(fc.string(), fc.constant(null)),
  );
  const operations = Object.keys(model.operations) as (keyof typeof model.operations)[];
  fc.assert(
    fc.property(fc.constantFrom(...operations), anything, (operation, input) => {
      const said = message(operation, input);
      expect(said === undefined || /^\d+ validation errors? detected: Value /.test(said)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("every pattern of the model is one that this server can ask, and a hostile value does not hold it up", () => {
  const hostile = ["a".repeat(2000), `arn:aws${"-a".repeat(500)}:lambda:`, `arn:aws:lambda:${"a-".repeat(500)}1`];
  const startedMs = performance.now();
  for (const name of Object.keys(model.shapes)) {
    const { pattern } = shapeOf(name);
    if (pattern !== undefined) for (const text of hostile) new RegExp(`^(?:${pattern})$`).test(text);
  }
  expect(performance.now() - startedMs).toBeLessThan(2000);
});

describe("the table", () => {
  const generator = fileURLToPath(new URL("../../../bin/lambda-constraints.mjs", import.meta.url));
  const ask = (python: string) =>
    spawnSync(process.execPath, [generator, "--python", python, "--print"], { encoding: "utf8" });
  const candidates = [process.env["HEARTH_BOTOCORE_PYTHON"] ?? "", process.env["HEARTH_MOTO_PYTHON"] ?? "", "python3"];
  const made = candidates
    .filter((python) => python !== "")
    .map((python) => ask(python).stdout ?? "")
    .find((text) => text.includes(`"botocore": "${model.botocore}"`));

  test(
    "is what the generator makes of the model",
    skipUnless(
      made !== undefined,
      `needs botocore ${model.botocore}: python3 -m pip install botocore==${model.botocore}, and HEARTH_BOTOCORE_PYTHON if that is another python3`,
    ),
    () => expect(JSON.parse(made as string)).toEqual(model),
  );
});
