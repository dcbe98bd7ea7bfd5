import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { NAMESPACED_NAME_LENGTH_MAX, parseFunctionName, requireUnqualified, targetOf } from "./function-name.ts";
import { LambdaError } from "./lambda-error.ts";

const owner = { accountId: DEFAULT_ACCOUNT_ID, region: "us-east-1" };
const target = (text: string, qualifier: string | null = null) =>
  targetOf(text, qualifier, owner, NAMESPACED_NAME_LENGTH_MAX);

const letters = "abcXYZ019-_";
const name = fc
  .string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 64 })
  // A name that looks like a prefix is read as one, by Lambda too.
  .filter((text) => text !== "function" && !/^\d{12}$/.test(text) && !/^[a-z]{2}-[a-z]+-\d$/.test(text));
const qualifier = fc.option(
  fc.oneof(fc.constant("$LATEST"), fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 20 })),
  { nil: undefined },
);
const prefix = fc.constantFrom(
  "",
  "function:",
  "000000000000:",
  "000000000000:function:",
  "us-east-1:000000000000:function:",
  "arn:aws:lambda:us-east-1:000000000000:function:",
  "arn:aws-cn:lambda:us-east-1:000000000000:function:",
);

test("every form of a name means the same function", () => {
  fc.assert(
    fc.property(prefix, name, qualifier, (before, plain, version) => {
      const text = before + plain + (version === undefined ? "" : `:${version}`);
      fc.pre(text.length <= NAMESPACED_NAME_LENGTH_MAX);
      expect(target(text)).toEqual({ name: plain, qualifier: version });
    }),
  );
});

test("any text is a target or an error of the API", () => {
  const piece = fc.constantFrom(
    "arn:",
    "aws",
    ":lambda:",
    "us-east-1:",
    "000000000000",
    ":",
    "function:",
    "f",
    "$LATEST",
    "é",
    " ",
    "/",
    "%",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, fc.option(text), (functionName, version) => {
      try {
        expect(target(functionName, version).name).toMatch(/^[a-zA-Z0-9-_]+$/);
      } catch (error) {
        expect(error).toBeInstanceOf(LambdaError);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a long hostile name is refused at once", () => {
  const startedMs = performance.now();
  parseFunctionName(`arn:aws${"-a".repeat(500)}:lambda:`);
  expect(performance.now() - startedMs).toBeLessThan(100);
});

describe("refusals", () => {
  const refusal = (type: string, message: string | RegExp) =>
    expect.objectContaining({ type, message: typeof message === "string" ? message : expect.stringMatching(message) });

  test("in Lambda's words", () => {
    const thrown = (call: () => unknown) => {
      try {
        call();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(thrown(() => target("a".repeat(171)))).toEqual(
      refusal("ValidationException", /Member must have length less than or equal to 170$/),
    );
    expect(thrown(() => target(""))).toEqual(refusal("ValidationException", /^2 validation errors detected/));
    expect(thrown(() => target("f", "invalid-qualifier-with-?-char"))).toEqual(
      refusal(
        "ValidationException",
        "1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
      ),
    );
    expect(thrown(() => target("arn:aws:lambda:ap-southeast-1:000000000000:function:f"))).toEqual(
      refusal(
        "ResourceNotFoundException",
        "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')",
      ),
    );
    expect(thrown(() => target("111111111111:function:f"))).toEqual(refusal("AccessDeniedException", /.+/));
    expect(thrown(() => requireUnqualified(target("f:1")))).toEqual(
      refusal("InvalidParameterValueException", /^This operation is permitted on Lambda functions only\./),
    );
  });

  test("the account of the caller is what counts, not the default one", () => {
    const other = { accountId: "111111111111" as AccountId, region: "us-east-1" };
    expect(targetOf("111111111111:function:f", null, other, 140)).toEqual({ name: "f", qualifier: undefined });
  });
});
