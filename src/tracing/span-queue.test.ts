import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { SpanQueue } from "./span-queue.ts";

const BOUNDS = { spansMax: 4, batchSpansMax: 2, delayMs: 60_000 };
const AWAY: ExportResult = { code: ExportResultCode.FAILED, error: new Error("connect ECONNREFUSED") };
const TAKEN: ExportResult = { code: ExportResultCode.SUCCESS };
const span = () => ({ spanContext: () => ({ traceFlags: 1 }), resource: {} }) as unknown as ReadableSpan;

/** A collector whose every answer the test gives. */
function start() {
  const requests: { readonly count: number; readonly answer: (result: ExportResult) => void }[] = [];
  const log: string[] = [];
  const say = (_fields: object, text: string) => void log.push(text);
  const queue = new SpanQueue(
    { export: (spans, answer) => void requests.push({ count: spans.length, answer }), shutdown: async () => {} },
    BOUNDS,
    { debug: say, info: say, warn: say, error: say },
  );
  const add = (count: number) => {
    for (let i = 0; i < count; i++) queue.add(span());
  };
  /** Answers what is asked now, and lets the queue go on. */
  const answer = async (result: ExportResult) => {
    requests.shift()?.answer(result);
    await new Promise(setImmediate);
  };
  return { queue, add, answer, requests, log };
}

test("spans are handed over in batches, one request at a time", async () => {
  const { queue, add, answer, requests } = start();
  add(4);
  expect(requests.map(({ count }) => count)).toEqual([2]);
  await answer(TAKEN);
  expect(requests.map(({ count }) => count)).toEqual([2]);
  await answer(TAKEN);
  expect(queue.counts()).toEqual({ exported: 4, overflowed: 0, failed: 0 });
});

test("what comes on top of the bound is dropped and counted, what is under way included", async () => {
  const { queue, add, answer } = start();
  add(7);
  expect(queue.counts()).toEqual({ exported: 0, overflowed: 3, failed: 0 });
  await answer(TAKEN);
  add(3);
  expect(queue.counts()).toEqual({ exported: 2, overflowed: 4, failed: 0 });
});

test("a collector that is away is mentioned once, and once when it is back", async () => {
  const { queue, add, answer, log } = start();
  add(4);
  await answer(AWAY);
  await answer(AWAY);
  expect(queue.counts()).toEqual({ exported: 0, overflowed: 0, failed: 4 });
  expect(log).toEqual(["the collector of traces takes no spans: they are dropped until it does"]);
  add(4);
  await answer(TAKEN);
  await answer(TAKEN);
  expect(log.slice(1)).toEqual(["the collector of traces takes spans again"]);
});

test("the end hands over what is left", async () => {
  const { queue, add, answer, requests } = start();
  add(1);
  expect(requests).toEqual([]);
  const closed = queue.close();
  await new Promise(setImmediate);
  await answer(TAKEN);
  await closed;
  expect(queue.counts().exported).toBe(1);
});
