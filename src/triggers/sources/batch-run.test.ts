import { expect, test } from "vitest";
import type { ErrorCode } from "../../model/error-code.ts";
import type { FunctionVersion } from "../../model/function-version.ts";
import { type Outcome, UNMEASURED } from "../../model/invocation.ts";
import type { EventSourceRecord } from "../../ports/event-source.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";
import { BatchRun } from "./batch-run.ts";

const record = {
  accountId: "a",
  functionName: "f",
  qualifier: "live",
  reportsItemFailures: true,
} as unknown as EventSourceRecord;

function ask(answer: InvokeAnswer, reports = true) {
  const requests: InvokeRequest[] = [];
  const batches = new BatchRun({
    resolve: () => ({ arn: "arn:f" }) as FunctionVersion,
    invoke: (request, done) => {
      requests.push(request);
      setImmediate(() => done(answer));
    },
  });
  return { requests, result: batches.run({ ...record, reportsItemFailures: reports }, Buffer.from("x"), ["1", "2"]) };
}

const finished = (payload: string, outcome: Outcome = "ok"): InvokeAnswer => {
  const usage = { ...UNMEASURED, wallUs: 1 };
  return { kind: "finished", outcome, payload: Buffer.from(payload), exit: undefined, usage, logTail: undefined };
};
const rejected = (code: ErrorCode): InvokeAnswer => ({ kind: "rejected", code });

test.for<[string, InvokeAnswer, readonly string[] | "failed" | "refused"]>([
  ["nothing", finished(""), []],
  ["null", finished("null"), []],
  ["no list", finished('{"a":1}'), []],
  ["a null list", finished('{"batchItemFailures":null}'), []],
  ["an empty list", finished('{"batchItemFailures":[]}'), []],
  ["one", finished('{"batchItemFailures":[{"itemIdentifier":"2"}]}'), ["2"]],
  ["a text", finished('"done"'), []],
  ["no JSON", finished("{"), "failed"],
  ["a list that is none", finished('{"batchItemFailures":"2"}'), "failed"],
  ["an unknown id", finished('{"batchItemFailures":[{"itemIdentifier":"3"}]}'), "failed"],
  ["an empty id", finished('{"batchItemFailures":[{"itemIdentifier":""}]}'), "failed"],
  ["no id", finished('{"batchItemFailures":[null]}'), "failed"],
  ["an error", finished("{}", "functionError"), "failed"],
  ["a time-out", finished("", "timeout"), "failed"],
  ["a container that did not start", finished("", "agentFault"), "refused"],
  ["a throttle", rejected("CONCURRENCY_LIMIT"), "refused"],
  ["no capacity", rejected("NO_CAPACITY"), "refused"],
  ["an instance that was lost while it ran", rejected("INSTANCE_LOST"), "failed"],
  ["a function that is too large", rejected("TOO_LARGE"), "failed"],
])("the function answers %s", async ([, answer, expected]) => {
  const { requests, result } = ask(answer);
  const outcome = await result;
  expect(outcome.kind === "ran" ? [...outcome.failedIds] : outcome.kind).toEqual(expected);
  expect(requests).toMatchObject([{ invokedArn: "arn:f:live", logTail: false }]);
});

test("an answer means nothing where failures are not reported one by one", async () => {
  const { result } = ask(finished('{"batchItemFailures":[{"itemIdentifier":"2"}]}'), false);
  expect(await result).toEqual({ kind: "ran", failedIds: new Set() });
});

test("a function that is gone runs nothing", async () => {
  const batches = new BatchRun({ resolve: () => undefined, invoke: () => expect.unreachable() });
  expect(await batches.run(record, Buffer.alloc(0), [])).toMatchObject({ kind: "refused" });
});
