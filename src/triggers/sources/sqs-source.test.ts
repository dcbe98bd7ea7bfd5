import type { Message } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import type { EventSourceRecord } from "../../ports/event-source.ts";
import type { AwsClients } from "../aws/aws-clients.ts";
import type { QueueUrls } from "../aws/queue-urls.ts";
import type { BatchRun } from "./batch-run.ts";
import { SqsSource } from "./sqs-source.ts";

// Only time is made up; what vitest leaves real of it goes by the timers that it does not.
vi.mock("node:timers/promises", () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms, value);
      signal?.addEventListener("abort", () => reject(signal.reason));
    }),
}));
beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("too late")), ms);
    return controller.signal;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settled: EventSourceRecord = {
  uuid: "u",
  accountId: "000000000000" as AccountId,
  origin: { kind: "sqs", arn: "arn:aws:sqs:us-east-1:000000000000:q" },
  functionName: "f",
  qualifier: undefined,
  isEnabled: true,
  batchSize: 10,
  windowMs: 0,
  filters: [],
  reportsItemFailures: false,
  concurrencyMax: undefined,
  tags: {},
  lastModifiedMs: 0,
};

type Command = { readonly constructor: { readonly name: string }; readonly input: Record<string, unknown> };
type Answer = (input: Record<string, unknown>, signal: AbortSignal | undefined) => Promise<object>;

/** A source on a queue that answers each command as it is told to, and batches that are all done. */
function sourceOn(answers: Readonly<Record<string, Answer>>, change: Partial<EventSourceRecord> = {}) {
  const batches: string[][] = [];
  const said: string[] = [];
  const send = async ({ constructor: { name }, input }: Command, { abortSignal }: { abortSignal?: AbortSignal } = {}) =>
    (await answers[name]?.(input, abortSignal)) ?? {};
  const source = new SqsSource(
    { ...settled, ...change },
    { onOk: () => void said.push("ok"), onProblem: (why) => void said.push(why) },
    {
      aws: { sqs: async () => ({ send }) } as unknown as AwsClients,
      queueUrls: { of: async () => "https://queue.example/q", forget: () => {} } as unknown as QueueUrls,
      batches: {
        run: async (_target: unknown, _payload: Buffer, ids: string[]) => {
          batches.push(ids);
          return { kind: "ran", failedIds: new Set() };
        },
      } as unknown as BatchRun,
      timeoutMsOf: () => 3_000,
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      log: { debug() {}, info() {}, warn() {}, error() {} },
    },
  );
  return { source, batches, said };
}

/** An answer that never comes, but for the end of the wait for it. */
const hangs: Answer = (_input, signal) =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

function messageOf(id: string, receipt = `${id}-1`): Message {
  return { MessageId: id, ReceiptHandle: receipt, Body: "{}", Attributes: {} };
}

test("a queue that takes deletions and never answers does not hold up the end of its source", async () => {
  const messages = Array.from({ length: 30 }, (_, n) => messageOf(`m${n}`));
  const { source, batches, said } = sourceOn({
    ReceiveMessageCommand: async (input, signal) =>
      messages.length > 0 ? { Messages: messages.splice(0) } : hangs(input, signal),
    DeleteMessageBatchCommand: hangs,
  });
  source.start();
  await vi.waitUntil(() => batches.length > 0);
  let isStopped = false;
  void source.stop(true).then(() => {
    isStopped = true;
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect([isStopped, said[0]]).toEqual([true, "10 messages that were done could not be deleted and will come again"]);
});

test("an outage that many pollers run into is one: the queue is asked again after the shortest pause", async () => {
  const messages = ["a", "b", "c", "d", "e", "f", "g"].map((id) => messageOf(id));
  const polls: PromiseWithResolvers<object>[] = [];
  const { source, batches, said } = sourceOn({
    ReceiveMessageCommand: async () => {
      if (messages.length > 0) return { Messages: messages.splice(0, 1) };
      const poll = Promise.withResolvers<object>();
      polls.push(poll);
      return poll.promise;
    },
  });
  source.start();
  await vi.waitUntil(() => batches.length === 7 && polls.length > 5);
  for (const poll of polls.splice(0)) poll.reject(new Error("ECONNRESET"));
  await vi.advanceTimersByTimeAsync(1_100);
  expect(polls).toHaveLength(1);
  polls[0]?.resolve({});
  await vi.waitUntil(() => said.at(-1) === "ok");
  expect(said.slice(-2)).toEqual(["Error: ECONNRESET", "ok"]);
  void source.stop(true);
});

test("a window ends in time for its function to be done before the messages come again", async () => {
  const [visibilityMs, receives] = [30_000, [] as number[]];
  let hiddenUntilMs = 0;
  const { source, batches } = sourceOn(
    {
      ReceiveMessageCommand: async ({ WaitTimeSeconds }) => {
        await new Promise((resolve) => setTimeout(resolve, Math.min(Number(WaitTimeSeconds) * 1000, 5_000)));
        if (Date.now() < hiddenUntilMs) return {};
        hiddenUntilMs = Date.now() + visibilityMs;
        receives.push(Date.now());
        return { Messages: [messageOf("m")] };
      },
      GetQueueAttributesCommand: async () => ({ Attributes: { VisibilityTimeout: String(visibilityMs / 1000) } }),
    },
    { batchSize: 100, windowMs: 300_000 },
  );
  source.start();
  await vi.advanceTimersByTimeAsync(5_000 + visibilityMs - 3_000);
  expect([batches, receives.length]).toEqual([[["m"]], 1]);
  void source.stop(true);
});

test("a message that comes again while its batch is collected is in it once, and goes by its latest receipt", async () => {
  const answers = [[messageOf("a", "a-1"), messageOf("b")], [messageOf("a", "a-2")]];
  const deleted: unknown[] = [];
  const { source, batches } = sourceOn(
    {
      ReceiveMessageCommand: async (input, signal) => {
        const next = answers.shift();
        return next === undefined ? hangs(input, signal) : { Messages: next };
      },
      DeleteMessageBatchCommand: async ({ Entries }) => {
        deleted.push(...(Entries as { ReceiptHandle: string }[]).map(({ ReceiptHandle }) => ReceiptHandle));
        return {};
      },
    },
    { windowMs: 1_000 },
  );
  source.start();
  await vi.waitUntil(() => answers.length === 0);
  await source.stop(true);
  expect([batches, deleted]).toEqual([[["a", "b"]], ["a-2", "b-1"]]);
});

test("how long messages are hidden is asked again when the queue did not say", async () => {
  const answers: (() => object)[] = [() => Promise.reject(new Error("ECONNRESET"))];
  let sent = 0;
  const { source, batches } = sourceOn(
    {
      ReceiveMessageCommand: async ({ WaitTimeSeconds }) => {
        if (sent === batches.length) return { Messages: [messageOf(`m${sent++}`)] };
        await new Promise((resolve) => setTimeout(resolve, Number(WaitTimeSeconds) * 1000));
        return {};
      },
      GetQueueAttributesCommand: async () => answers.shift()?.() ?? { Attributes: { VisibilityTimeout: "300" } },
    },
    { batchSize: 100, windowMs: 100_000, concurrencyMax: 1 },
  );
  source.start();
  await vi.advanceTimersByTimeAsync(27_500);
  expect(batches).toEqual([["m0"]]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(batches).toEqual([["m0"]]);
  await vi.advanceTimersByTimeAsync(45_000);
  expect(batches).toEqual([["m0"], ["m1"]]);
  void source.stop(true);
});
