import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AccountId } from "./ids.ts";
import { type AccessRequest, accountPrincipal, isAllowed, type PolicyStatement } from "./resource-policy.ts";

const accounts = ["000000000000", "111111111111"] as const;
const services = ["s3.amazonaws.com", "events.amazonaws.com"] as const;
const actions = ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl", "lambda:GetFunction"] as const;
const arns = ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket2", "arn:aws:events:us-east-1:000000000000:rule/r"] as const;
const absent = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const authType = fc.constantFrom("NONE" as const, "AWS_IAM" as const);

const statementArbitrary: fc.Arbitrary<PolicyStatement> = fc.record({
  sid: fc.constantFrom("a", "b", "c"),
  action: fc.constantFrom(...actions, "lambda:*", "*"),
  principal: fc.constantFrom("*", ...services, ...accounts.map(accountPrincipal)),
  sourceArn: absent(fc.constantFrom(...arns, "arn:aws:s3:::*", "arn:aws:s3:::bucket?")),
  sourceAccount: absent(fc.constantFrom(...accounts)),
  principalOrgId: absent(fc.constant("o-0123456789")),
  eventSourceToken: absent(fc.constant("token")),
  functionUrlAuthType: absent(authType),
  invokedViaFunctionUrl: absent(fc.boolean()),
});

const requestArbitrary: fc.Arbitrary<AccessRequest> = fc.record({
  action: fc.constantFrom(...actions),
  by: fc.oneof(
    fc.constantFrom(...accounts).map((id) => ({ kind: "account" as const, accountId: id as AccountId })),
    fc.constantFrom(...services).map((name) => ({ kind: "service" as const, name })),
    fc.constant({ kind: "anyone" as const }),
  ),
  sourceArn: absent(fc.constantFrom(...arns)),
  sourceAccount: absent(fc.constantFrom(...accounts)),
  functionUrlAuthType: absent(authType),
});

describe("for all policies and requests", () => {
  const policy = fc.array(statementArbitrary, { maxLength: 4 });

  test("nothing is allowed without a statement, and each statement decides for itself", () => {
    fc.assert(
      fc.property(policy, requestArbitrary, (statements, request) => {
        expect(isAllowed([], request)).toBe(false);
        expect(isAllowed(statements, request)).toBe(statements.some((statement) => isAllowed([statement], request)));
      }),
    );
  });

  test("a condition only ever takes away", () => {
    fc.assert(
      fc.property(statementArbitrary, requestArbitrary, (statement, request) => {
        if (!isAllowed([statement], request)) return;
        const { sid, action, principal } = statement;
        expect(isAllowed([{ sid, action, principal }], request)).toBe(true);
      }),
    );
  });

  test("what a request does not say meets no condition", () => {
    fc.assert(
      fc.property(statementArbitrary, requestArbitrary, (statement, { action, by }) => {
        const { sourceArn, sourceAccount, principalOrgId, eventSourceToken } = statement;
        const { functionUrlAuthType, invokedViaFunctionUrl } = statement;
        const hasCondition =
          [sourceArn, sourceAccount, principalOrgId, eventSourceToken, functionUrlAuthType].some(
            (c) => c !== undefined,
          ) || invokedViaFunctionUrl === true;
        if (hasCondition) expect(isAllowed([statement], { action, by })).toBe(false);
      }),
    );
  });

  test("strangers are allowed what everyone is, and nothing else", () => {
    fc.assert(
      fc.property(policy, requestArbitrary, (statements, request) => {
        const anyone = { ...request, by: { kind: "anyone" as const } };
        const forEveryone = statements.filter(({ principal }) => principal === "*");
        expect(isAllowed(statements, anyone)).toBe(isAllowed(forEveryone, request));
      }),
    );
  });
});

const invoke = "lambda:InvokeFunction";
const s3 = { sid: "s", action: invoke, principal: "s3.amazonaws.com" };
const asS3 = { action: invoke, by: { kind: "service" as const, name: "s3.amazonaws.com" } };

test.each([
  ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket", true],
  ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket2", false],
  ["arn:aws:s3:::buck*", "arn:aws:s3:::bucket", true],
  ["arn:aws:s3:::b?cket", "arn:aws:s3:::bucket", true],
  ["arn:aws:s3:::b?cket", "arn:aws:s3:::bcket", false],
  ["arn:aws:sns:*:*:topic", "arn:aws:sns:us-east-1:000000000000:topic", true],
  ["arn:aws:*", "arn:aws:sns:us-east-1:000000000000:topic", false],
  ["arn:aws:sns:*:topic", "arn:aws:sns:us-east-1:000000000000:topic", false],
  ["arn:aws:execute-api:us-east-1:1:api/*/GET/a:b", "arn:aws:execute-api:us-east-1:1:api/prod/GET/a:b", true],
  ["arn:aws:s3:::*a*a*a*a*a*a*a*b", `arn:aws:s3:::${"a".repeat(2000)}`, false],
])("source %s admits %s: %s", (sourceArn, given, expected) => {
  expect(isAllowed([{ ...s3, sourceArn }], { ...asS3, sourceArn: given })).toBe(expected);
});

test("a statement about URLs is of no use to who does not come by one", () => {
  const statements = [{ sid: "u", action: invoke, principal: "*", invokedViaFunctionUrl: true }];
  const request = { action: invoke, by: { kind: "anyone" as const } };
  expect(isAllowed(statements, request)).toBe(false);
  expect(isAllowed(statements, { ...request, functionUrlAuthType: "NONE" })).toBe(true);
});
