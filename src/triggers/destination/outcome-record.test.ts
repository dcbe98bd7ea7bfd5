import { expect, test } from "vitest";
import type { EventOutcome } from "../../model/event-outcome.ts";
import type { AccountId, InvocationId } from "../../model/ids.ts";
import type { OutcomeMessage } from "../outbox.ts";
import { errorMessageOf, outcomeRecord } from "./outcome-record.ts";

const ARN = "arn:aws:lambda:us-east-1:000000000000:function:f";

function messageOf(
  outcome: Partial<EventOutcome>,
  payload: string,
  response?: string,
  invokedArn = ARN,
): OutcomeMessage {
  return {
    event: {
      id: "8aeb0d4e-0000-4000-8000-000000000000" as InvocationId,
      accountId: "000000000000" as AccountId,
      functionName: "f",
      qualifier: invokedArn === ARN ? "$LATEST" : "live",
      invokedArn,
      outcome: { condition: "Success", endedMs: 1_573_754_165_568, invokeCount: 1, execution: undefined, ...outcome },
      deliveries: [],
    },
    delivery: { kind: "destination", to: "https://a.example/", attempts: 0, nextAttemptMs: 0 },
    payload: Buffer.from(payload),
    response: response === undefined ? undefined : Buffer.from(response),
  };
}

test("a failure, as Lambda's documentation shows it", () => {
  const execution = { executedVersion: "$LATEST", isFunctionError: true };
  const message = messageOf(
    { condition: "RetriesExhausted", invokeCount: 3, execution },
    '{"ORDER_IDS":[1]}',
    '{"errorMessage":"RequestId: x Process exited before completing request"}',
  );
  expect(JSON.parse(outcomeRecord(message))).toEqual({
    version: "1.0",
    timestamp: "2019-11-14T17:56:05.568Z",
    requestContext: {
      requestId: "8aeb0d4e-0000-4000-8000-000000000000",
      functionArn: `${ARN}:$LATEST`,
      condition: "RetriesExhausted",
      approximateInvokeCount: 3,
    },
    requestPayload: { ORDER_IDS: [1] },
    responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
    responsePayload: { errorMessage: "RequestId: x Process exited before completing request" },
  });
});

test("a success has no function error; an event that never ran has no response; an alias is named", () => {
  const execution = { executedVersion: "3", isFunctionError: false };
  const success = JSON.parse(outcomeRecord(messageOf({ execution }, "", "12345678901234567890", `${ARN}:live`)));
  expect(success).toMatchObject({
    requestContext: { functionArn: `${ARN}:live`, condition: "Success" },
    requestPayload: {},
    responseContext: { statusCode: 200, executedVersion: "3" },
  });
  expect(success.responseContext).not.toHaveProperty("functionError");
  const old = outcomeRecord(messageOf({ condition: "EventAgeExceeded", invokeCount: 0 }, "1"));
  expect(Object.keys(JSON.parse(old))).toEqual(["version", "timestamp", "requestContext", "requestPayload"]);
});

test("numbers pass unrounded, and what is no JSON is text", () => {
  const execution = { executedVersion: "1", isFunctionError: false };
  expect(outcomeRecord(messageOf({ execution }, "12345678901234567890", "no json"))).toMatch(
    /"requestPayload":12345678901234567890,.*"responsePayload":"no json"}$/,
  );
});

test("a dead letter's error is one kilobyte of text that SQS takes", () => {
  const execution = { executedVersion: "1", isFunctionError: true };
  const failed = (errorMessage: unknown) =>
    errorMessageOf(messageOf({ condition: "RetriesExhausted", execution }, "{}", JSON.stringify({ errorMessage })));
  expect(failed("wrong")).toBe("wrong");
  expect(failed("a\u0000b\nc")).toBe("ab\nc");
  expect(failed(undefined)).toBe("RetriesExhausted");
  for (const character of ["x", "é", "日", "😀"]) {
    const cut = failed(character.repeat(2000));
    expect(Buffer.byteLength(cut)).toBeGreaterThan(1020);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1024);
    expect(cut.isWellFormed() && cut === cut.toWellFormed()).toBe(true);
  }
});
