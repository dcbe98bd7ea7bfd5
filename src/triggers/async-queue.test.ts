import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test, vi } from "vitest";
import { DEFAULT_RETRY_SETTINGS, decideRetry, isFunctionFailure } from "../control/retry/async-retry.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import { UNMEASURED } from "../model/invocation.ts";
import type { EventStore, QueuedEvent } from "../ports/event-store.ts";
import type { InvokeAnswer, InvokeRequest } from "../ports/invoker.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { openSqliteStore } from "../store/sqlite/sqlite-store.ts";
import { AsyncQueue, type AsyncQueueOptions } from "./async-queue.ts";
import { FairLines } from "./fair-lines.ts";

const USAGE = { ...UNMEASURED, wallUs: 1 };
const finished = (outcome: "ok" | "functionError"): InvokeAnswer => ({
  kind: "finished",
  outcome,
  payload: Buffer.alloc(0),
  exit: undefined,
  usage: USAGE,
  logTail: undefined,
});

type Begun = { readonly id: InvocationId; readonly retries: number; answer(answer: InvokeAnswer): void };

/** A queue on the memory store, with every attempt caught as it begins. */
function queueOf(events: EventStore, options: Partial<AsyncQueueOptions> = {}) {
  const begun: Begun[] = [];
  const settings = { ...DEFAULT_RETRY_SETTINGS, errorDelaysMs: [5, 5], systemDelayMs: 5 };
  const queue = new AsyncQueue({
    events,
    resolve: (accountId, name) => versionOf(accountId, name),
    run: ({ id }, retries, answer) => begun.push({ id, retries, answer: (a) => answer(a, () => {}) }),
    decide: (attempt, nowMs) => decideRetry(attempt, settings, nowMs),
    isFunctionFailure,
    configOf: () => undefined,
    deadLetterOf: () => undefined,
    onConcluded: () => {},
    undeliveredCount: () => 0,
    ...settings,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
  });
  return { queue, begun };
}

function versionOf(accountId: AccountId, name: string): FunctionVersion {
  return { accountId, name, version: "$LATEST" } as FunctionVersion;
}

function requestOf(id: string, accountId = "a"): InvokeRequest {
  return {
    id: id as InvocationId,
    version: versionOf(accountId as AccountId, "f"),
    payload: Buffer.from("{}"),
    invokedArn: "",
    clientContext: undefined,
    traceId: undefined,
    logTail: false,
  };
}

const attemptsOf = (begun: readonly Begun[]) => begun.map(({ id, retries }) => [id, retries]);

test("an event that is being written when the queue starts is begun once", async () => {
  const events = createMemoryStore().events;
  const appending = Promise.withResolvers<void>();
  const slow = { ...events, append: (event: QueuedEvent) => appending.promise.then(() => events.append(event)) };
  const { queue, begun } = queueOf(slow);
  const accepted = queue.accept(requestOf("x"));
  queue.start();
  appending.resolve();
  await accepted;
  await expect.poll(() => begun.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(attemptsOf(begun)).toEqual([["x", 0]]);
});

test("an event whose acceptance fails is never begun", async () => {
  const events = createMemoryStore().events;
  const { queue, begun } = queueOf({ ...events, append: () => Promise.reject(new Error("disk full")) });
  queue.start();
  await expect(queue.accept(requestOf("x"))).rejects.toThrow("disk full");
  expect([queue.length, begun.length]).toEqual([0, 0]);
});

test("a result that is settled before the start leads to one further attempt", async () => {
  const store = createMemoryStore();
  const first = queueOf(store.events);
  first.queue.start();
  await first.queue.accept(requestOf("y"));
  await expect.poll(() => first.begun.length).toBe(1);
  first.queue.close();
  const second = queueOf(store.events);
  await second.queue.load();
  second.queue.adopt("y" as InvocationId);
  second.queue.settle("y" as InvocationId, finished("functionError"), () => {});
  await new Promise((resolve) => setTimeout(resolve, 2));
  second.queue.start();
  await expect.poll(() => second.begun.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(attemptsOf(second.begun)).toEqual([["y", 1]]);
});

test("an attempt that could not be recorded does not make the next one look like the first", async () => {
  const store = createMemoryStore();
  let isFull = false;
  const events: EventStore = {
    ...store.events,
    beginAttempt: (id, attempts) =>
      isFull ? Promise.reject(new Error("full")) : store.events.beginAttempt(id, attempts),
  };
  const { queue, begun } = queueOf(events);
  queue.start();
  await queue.accept(requestOf("z"));
  await expect.poll(() => begun.length).toBe(1);
  isFull = true;
  begun[0]?.answer(finished("functionError"));
  await new Promise((resolve) => setTimeout(resolve, 30));
  isFull = false;
  await expect.poll(() => begun.length).toBe(2);
  expect(attemptsOf(begun)).toEqual([
    ["z", 0],
    ["z", 1],
  ]);
});

test("faults of the system do not use up the function's two retries", async () => {
  const { queue, begun } = queueOf(createMemoryStore().events);
  queue.start();
  await queue.accept(requestOf("v"));
  const outcomes: InvokeAnswer[] = [
    { kind: "rejected", code: "INSTANCE_LOST" },
    { kind: "rejected", code: "INSTANCE_LOST" },
    finished("functionError"),
    finished("functionError"),
    finished("functionError"),
  ];
  for (const [index, outcome] of outcomes.entries()) {
    await expect.poll(() => begun.length).toBe(index + 1);
    begun[index]?.answer(outcome);
  }
  await expect.poll(() => queue.length).toBe(0);
  expect(begun.map(({ retries }) => retries)).toEqual([0, 1, 2, 3, 4]);
});

test("events that are throttled run one after the other as executions end, in their order, and use up no retry", async () => {
  let running = 0;
  const done: string[] = [];
  // A function of which one may run at a time, as the core would have it; pauses are longer than the test.
  const { queue } = queueOf(createMemoryStore().events, {
    run: ({ id }, retries, answer) => {
      const end = (result: InvokeAnswer) => queueMicrotask(() => answer(result, () => {}));
      if (running > 0) return end({ kind: "rejected", code: "RESERVED_CONCURRENCY_LIMIT" });
      running++;
      setTimeout(() => {
        running--;
        done.push(`${id} ${retries}`);
        end(finished("ok"));
      }, 5);
    },
    decide: (attempt, nowMs) => decideRetry(attempt, { ...DEFAULT_RETRY_SETTINGS, systemDelayMs: 60_000 }, nowMs),
  });
  queue.start();
  for (const id of ["a", "b", "c", "d"]) await queue.accept(requestOf(id));
  await expect.poll(() => queue.length).toBe(0);
  expect(done).toEqual(["a 0", "b 0", "c 0", "d 0"]);
  queue.close();
});

test("a shutdown before the execution costs nothing: the next server begins it as the first", async () => {
  const store = createMemoryStore();
  const { queue, begun } = queueOf(store.events);
  queue.start();
  await queue.accept(requestOf("s"));
  await expect.poll(() => begun.length).toBe(1);
  queue.close();
  begun[0]?.answer({ kind: "rejected", code: "SHUTTING_DOWN" });
  await expect.poll(async () => (await store.events.load())[0]?.attempts).toBe(0);
});

test("an execution that was cut off by a reclaim is begun anew as a retry", async () => {
  const { queue, begun } = queueOf(createMemoryStore().events);
  queue.start();
  await queue.accept(requestOf("r"));
  await expect.poll(() => begun.length).toBe(1);
  begun[0]?.answer({ kind: "rejected", code: "RECLAIMED" });
  await expect
    .poll(() => attemptsOf(begun))
    .toEqual([
      ["r", 0],
      ["r", 1],
    ]);
});

test("a deadline survives a restart, and an event does not age out before it", async () => {
  const store = createMemoryStore();
  let nowMs = 1_000;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const { eventAgeMsMax } = DEFAULT_RETRY_SETTINGS;
  const deadlineMs = nowMs + 2 * eventAgeMsMax;
  const first = queueOf(store.events, { clock });
  await first.queue.accept({ ...requestOf("held"), deadlineMs });
  await first.queue.accept(requestOf("due at once"));
  first.queue.close();

  nowMs = deadlineMs;
  const asked: InvokeRequest[] = [];
  const { queue } = queueOf(store.events, { clock, run: (request) => void asked.push(request) });
  await queue.load();
  queue.start();
  await expect.poll(() => asked.map((request) => [request.id, request.deadlineMs])).toEqual([["held", deadlineMs]]);
  await expect.poll(() => queue.length).toBe(1);
});

test("events of a function whose code is damaged wait for its repair", async () => {
  let isDamaged = true;
  const { queue, begun } = queueOf(createMemoryStore().events, {
    resolve: (accountId, name) => (isDamaged ? "damaged" : versionOf(accountId, name)),
  });
  queue.start();
  await queue.accept(requestOf("d"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(begun).toEqual([]);
  isDamaged = false;
  await expect.poll(() => attemptsOf(begun)).toEqual([["d", 0]]);
});

test("one account's crowd does not hold up another's event", async () => {
  const { queue, begun } = queueOf(createMemoryStore().events, { runningMax: 3, runningPerAccountMax: 2 });
  queue.start();
  for (let i = 0; i < 5; i++) await queue.accept(requestOf(`crowd-${i}`, "a"));
  await queue.accept(requestOf("single", "b"));
  await expect.poll(() => begun.map(({ id }) => id)).toEqual(["crowd-0", "crowd-1", "single"]);
});

test("who waits for capacity of its own choosing takes no place from others", async () => {
  const { queue, begun } = queueOf(createMemoryStore().events, { runningMax: 2, runningPerAccountMax: 2 });
  queue.start();
  const ids = () => begun.map(({ id }) => id);
  // Handed out and not begun: its account waits for a price.
  for (let i = 0; i < 3; i++) await queue.accept(requestOf(`spot-${i}`, "a"));
  await expect.poll(ids).toEqual(["spot-0", "spot-1"]);
  await queue.accept(requestOf("other", "b"));
  await expect.poll(ids).toEqual(["spot-0", "spot-1", "other"]);
  // Those that have begun take the places of all.
  queue.begun("spot-0" as InvocationId);
  queue.begun("other" as InvocationId);
  await queue.accept(requestOf("late", "c"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(ids()).toHaveLength(3);
  begun[0]?.answer(finished("ok"));
  await expect.poll(ids).toHaveLength(5);
  expect(new Set(ids().slice(3))).toEqual(new Set(["spot-2", "late"]));
});

test("events that are held for a deadline take no place from those that are due", async () => {
  const { queue, begun } = queueOf(createMemoryStore().events, { runningMax: 2, runningPerAccountMax: 1 });
  queue.start();
  const ids = () => begun.map(({ id }) => id);
  const deadlineMs = Date.now() + 3_600_000;
  for (let i = 0; i < 5; i++) await queue.accept({ ...requestOf(`held-${i}`), deadlineMs });
  await queue.accept(requestOf("due"));
  await expect.poll(ids).toEqual(["held-0", "held-1", "held-2", "held-3", "held-4", "due"]);
  queue.begun("due" as InvocationId);
  await queue.accept(requestOf("next"));
  begun[5]?.answer(finished("ok"));
  await expect.poll(ids).toContain("next");
});

test("an event that began before its deadline is retried after it as often as any other", async () => {
  const store = createMemoryStore();
  let nowMs = 1_000;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const deadlineMs = 50_000;
  const asked: (number | undefined)[] = [];
  const { queue } = queueOf(store.events, {
    clock,
    decide: () => ({ kind: "retry", atMs: nowMs, why: "functionFailed" }),
    run: (request, _, answer) => {
      asked.push(request.deadlineMs);
      if (asked.length < 3) answer(finished("functionError"), () => {});
    },
  });
  queue.start();
  await queue.accept({ ...requestOf("held"), deadlineMs });
  await expect.poll(() => asked).toEqual([deadlineMs, undefined, undefined]);

  // The next server knows that it has begun.
  queue.close();
  nowMs = deadlineMs + 1;
  const later: (number | undefined)[] = [];
  const next = queueOf(store.events, { clock, run: (request) => void later.push(request.deadlineMs) });
  await next.queue.load();
  next.queue.start();
  await expect.poll(() => later).toEqual([undefined]);
});

test("bounds: events and their bytes", async () => {
  const small = queueOf(createMemoryStore().events, { queueLengthMax: 1 });
  await small.queue.accept(requestOf("1"));
  await expect(small.queue.accept(requestOf("2"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
  const light = queueOf(createMemoryStore().events, { queueBytesMax: 2000 });
  await light.queue.accept(requestOf("1"));
  await expect(light.queue.accept(requestOf("2"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
});

test("outcomes that are told to functions find room in a queue that is full of them, as far as its bytes reach", async () => {
  let undelivered = 2;
  const { queue } = queueOf(createMemoryStore().events, {
    undeliveredCount: () => undelivered,
    queueLengthMax: 2,
    queueBytesMax: 3000,
  });
  await expect(queue.accept(requestOf("other"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
  for (const id of ["told-1", "told-2"]) {
    await queue.acceptDelivery(requestOf(id));
    undelivered--;
  }
  expect(queue.length).toBe(2);
  await expect(queue.acceptDelivery(requestOf("told-3"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await expect(queue.accept(requestOf("other"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
});

test("lines take turns, keep their order, and pass over keys that may not leave", () => {
  const lines = new FairLines<string, number>();
  for (let i = 0; i < 3000; i++) lines.push("a", i);
  for (let i = 0; i < 3; i++) lines.push("b", 10_000 + i);
  expect([1, 2, 3, 4].map(() => lines.take(() => true))).toEqual([0, 10_000, 1, 10_001]);
  expect(lines.take((key) => key === "a")).toBe(2);
  let last = 2;
  for (let next = lines.take((key) => key === "a"); next !== undefined; next = lines.take((key) => key === "a")) {
    expect(next).toBe(++last);
  }
  expect([last, lines.take(() => true), lines.take(() => true)]).toEqual([2999, 10_002, undefined]);
});

test("what was taken from a line is free to go, though others stand in it", async () => {
  const lines = new FairLines<string, object>();
  lines.push("a", {});
  lines.push("a", {});
  const taken = new WeakRef(lines.take(() => true) ?? {});
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  await expect.poll(() => collect() ?? taken.deref() === undefined).toBe(true);
  expect(lines.take(() => true)).toBeDefined();
});

test.each([-3, 3, 30])("a clock that is set by %d hours moves no pause and no age", async (hours) => {
  let setByMs = 0;
  const { events } = createMemoryStore();
  const clock = { nowMs: () => Date.now() + setByMs, monotonicMs: () => performance.now() };
  const { queue, begun } = queueOf(events, { clock });
  queue.start();
  await queue.accept(requestOf("x"));
  await expect.poll(() => begun.length).toBe(1);
  begun[0]?.answer(finished("functionError"));
  setByMs = hours * 3_600_000;
  await expect.poll(() => begun.length).toBe(2);
  begun[1]?.answer(finished("functionError"));
  await expect.poll(() => begun.length).toBe(3);
  const [stored] = await events.load();
  queue.close();
  expect(Math.abs((stored?.nextAttemptMs ?? 0) - clock.nowMs())).toBeLessThan(60_000);
});

test("an event whose acceptance lies in the future, for the clock was set back, is due at once", async () => {
  const { events } = createMemoryStore();
  let nowMs = 10_000_000;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  await queueOf(events, { clock }).queue.accept(requestOf("x"));
  nowMs = 1_000_000;
  const { queue, begun } = queueOf(events, { clock });
  await queue.load();
  queue.start();
  await expect.poll(() => begun.length).toBe(1);
});

test("an attempt that was planned for next year, for the clock was ahead, waits for minutes after a restart", async () => {
  const { events } = createMemoryStore();
  await queueOf(events).queue.accept(requestOf("x"));
  const nextAttemptMs = Date.now() + 365 * 86_400_000;
  await events.reschedule("x" as InvocationId, { attempts: 1, functionFailures: 1, nextAttemptMs });
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { queue, begun } = queueOf(events);
  await queue.load();
  queue.start();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(begun).toEqual([]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(attemptsOf(begun)).toEqual([["x", 1]]);
  queue.close();
});

test("more events than a disk takes at once begin, and are given back when the server ends, none as a retry", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hearth-events-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const store = await openSqliteStore(dir);
  const error = vi.fn();
  const { queue, begun } = queueOf(store.events, { log: { debug() {}, info() {}, warn() {}, error } });
  const deadlineMs = Date.now() + 3_600_000;
  const count = 25_000;
  const ids = Array.from({ length: count }, (_, i) => `held-${i}`);
  for (let i = 0; i < count; i += 5_000) {
    await Promise.all(ids.slice(i, i + 5_000).map((id) => queue.accept({ ...requestOf(id), deadlineMs })));
  }
  queue.start();
  await expect.poll(() => begun.length, { timeout: 10_000 }).toBe(count);
  queue.close();
  for (const { answer } of begun) answer({ kind: "rejected", code: "SHUTTING_DOWN" });
  await store.close();
  const later = await openSqliteStore(dir);
  const retried = (await later.events.load()).filter(({ attempts }) => attempts > 0);
  await later.close();
  expect([error.mock.calls.length, retried.length]).toEqual([0, 0]);
});
