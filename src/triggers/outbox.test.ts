import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { DEFAULT_RETRY_SETTINGS, decideRetry, isFunctionFailure } from "../control/retry/async-retry.ts";
import { DEFAULT_DELIVERY_SETTINGS, decideDelivery } from "../control/retry/delivery-retry.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import { UNMEASURED } from "../model/invocation.ts";
import type { DeliveryDecision } from "../model/retry.ts";
import { systemClock } from "../ports/clock.ts";
import type { EventInvokeConfig } from "../ports/event-invoke-config.ts";
import type { EventStore } from "../ports/event-store.ts";
import type { InvokeAnswer, InvokeRequest } from "../ports/invoker.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { AsyncQueue } from "./async-queue.ts";
import { Outbox, type OutboxOptions, type OutcomeMessage } from "./outbox.ts";

// What vitest leaves real of time goes by the timers that it does not.
vi.mock("node:timers/promises", () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms, value);
      signal?.addEventListener("abort", () => reject(signal.reason));
    }),
}));

const log = { debug() {}, info() {}, warn() {}, error() {} };
const version = {
  accountId: "a" as AccountId,
  name: "f",
  version: "$LATEST",
  arn: "arn:f",
  timeoutMs: 3000,
} as FunctionVersion;
const config: EventInvokeConfig = {
  accountId: version.accountId,
  functionName: "f",
  qualifier: "$LATEST",
  lastModifiedMs: 0,
  retriesMax: 1,
  ageMsMax: undefined,
  onSuccess: "https://success.example/",
  onFailure: "https://failure.example/",
};

function requestOf(id: string): InvokeRequest {
  const payload = Buffer.from(`{"id":"${id}"}`);
  return {
    id: id as InvocationId,
    version,
    payload,
    invokedArn: "arn:f",
    logTail: false,
    clientContext: undefined,
    traceId: undefined,
  };
}

function answerOf(isFailure: boolean): InvokeAnswer {
  const payload = Buffer.from(isFailure ? '{"errorMessage":"no"}' : '"yes"');
  const usage = { ...UNMEASURED, wallUs: 1 };
  return {
    kind: "finished",
    outcome: isFailure ? "functionError" : "ok",
    payload,
    exit: undefined,
    usage,
    logTail: undefined,
  };
}

type Taken = { readonly id: string; readonly kind: string; readonly to: string; readonly outcome: string };

/** A queue and its outbox on a store, as one server has them. */
function serverOn(
  events: EventStore,
  run: (id: string) => InvokeAnswer,
  deliver: (message: OutcomeMessage) => Promise<void>,
  decide: OutboxOptions["decide"] = (_failures, _triedFromMs, nowMs): DeliveryDecision => ({
    kind: "retry",
    atMs: nowMs,
  }),
) {
  const outbox = new Outbox({ events, deliver, decide, clock: systemClock, log });
  const settings = { ...DEFAULT_RETRY_SETTINGS, errorDelaysMs: [0, 0], systemDelayMs: 1 };
  const queue = new AsyncQueue({
    events,
    resolve: () => version,
    run: ({ id }, _retries, answer) => setImmediate(() => answer(run(id), () => {})),
    decide: (attempt, nowMs) => decideRetry(attempt, settings, nowMs),
    isFunctionFailure,
    configOf: () => config,
    deadLetterOf: () => "arn:dead",
    onConcluded: (event) => outbox.add(event),
    undeliveredCount: () => outbox.length,
    ...settings,
    clock: systemClock,
    log,
  });
  const start = async () => {
    await queue.load();
    await outbox.load();
    queue.start();
    outbox.start();
  };
  const stop = () => {
    queue.close();
    void outbox.close(0);
  };
  return { queue, outbox, start, stop };
}

/** The store of a server that dies at its nth change: that change is made or not, and nobody hears of it or of any after it. */
function mortal(events: EventStore, changes: number, isMade: boolean) {
  const died = Promise.withResolvers<void>();
  let left = changes;
  const dying = <A extends unknown[]>(change: (...args: A) => Promise<void>) => {
    return async (...args: A): Promise<void> => {
      left--;
      if (left > 0) return change(...args);
      if (left === 0 && isMade) await change(...args);
      died.resolve();
      return new Promise(() => {});
    };
  };
  const store: EventStore = {
    ...events,
    beginAttempt: dying(events.beginAttempt),
    reschedule: dying(events.reschedule),
    conclude: dying(events.conclude),
    setDeliveries: dying(events.setDeliveries),
    finish: dying(events.finish),
  };
  return { store, died: died.promise };
}

test("a store that takes nothing does not hold up the end for as long as it is waited for between tries", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { events } = createMemoryStore();
  const full = { ...events, finish: () => Promise.reject(new Error("disk full")) };
  const deliveries = [{ kind: "destination", to: "https://success.example/", attempts: 0, nextAttemptMs: 0 } as const];
  const outcome = { condition: "Success", endedMs: 0, invokeCount: 1, execution: undefined } as const;
  const outbox = new Outbox({
    events: full,
    deliver: async () => {},
    decide: () => ({ kind: "giveUp" }),
    clock: systemClock,
    log,
  });
  const { accountId, name: functionName } = version;
  outbox.add({
    id: "x" as InvocationId,
    accountId,
    functionName,
    qualifier: "$LATEST",
    invokedArn: "",
    outcome,
    deliveries,
  });
  outbox.start();
  await vi.advanceTimersByTimeAsync(95_000);
  let isClosed = false;
  void outbox.close(60_000).then(() => {
    isClosed = true;
  });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(isClosed).toBe(true);
});

test("whenever servers die, every event has one outcome, and everybody is told of it", async () => {
  const crash = fc.record({ changes: fc.integer({ min: 1, max: 12 }), isMade: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(crash, { maxLength: 5 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.boolean()),
      async (crashes, failing, refusals) => {
        const { events } = createMemoryStore();
        const ids = failing.map((_, index) => `e${index}`);
        for (const id of ids)
          await serverOn(
            events,
            () => answerOf(false),
            async () => {},
          ).queue.accept(requestOf(id));
        const taken: Taken[] = [];
        const run = (id: string) => answerOf(failing[ids.indexOf(id)] === true);
        const deliver = async ({ event, delivery }: OutcomeMessage) => {
          if (refusals.next().value === true) throw new Error("refused");
          const { id, outcome } = event;
          taken.push({ id, kind: delivery.kind, to: delivery.to, outcome: JSON.stringify(outcome) });
        };
        for (const { changes, isMade } of crashes) {
          const { store, died } = mortal(events, changes, isMade);
          const server = serverOn(store, run, deliver);
          await server.start();
          await Promise.race([died, idle(server)]);
          server.stop();
        }
        const last = serverOn(events, run, deliver);
        await last.start();
        await idle(last);
        expect([await events.load(), await events.loadConcluded()]).toEqual([[], []]);
        for (const [index, id] of ids.entries()) {
          const own = taken.filter((message) => message.id === id);
          expect(new Set(own.map(({ outcome }) => outcome)).size, "one outcome").toBe(1);
          const places = new Set(own.map(({ kind, to }) => `${kind} ${to}`));
          const wanted = failing[index]
            ? ["deadLetter arn:dead", "destination https://failure.example/"]
            : ["destination https://success.example/"];
          expect([...places].sort()).toEqual(wanted);
        }
        // What a server was delivering when it died is delivered again, and nothing else.
        const messages = new Set(taken.map(({ id, kind }) => `${id} ${kind}`)).size;
        expect(taken.length - messages).toBeLessThanOrEqual(crashes.length * 2 * ids.length);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

async function idle({ queue, outbox }: { queue: AsyncQueue; outbox: Outbox }): Promise<void> {
  while (queue.length + outbox.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("a record tells what was asked and answered; an event that is too old tells of no answer", async () => {
  const { events } = createMemoryStore();
  const messages: OutcomeMessage[] = [];
  const server = serverOn(
    events,
    () => answerOf(true),
    async (message) => void messages.push(message),
  );
  await server.start();
  await server.queue.accept(requestOf("x"));
  await idle(server);
  expect(messages.map(({ delivery }) => delivery.kind).sort()).toEqual(["deadLetter", "destination"]);
  for (const { event, payload, response } of messages) {
    expect(event.outcome).toMatchObject({
      condition: "RetriesExhausted",
      invokeCount: 2,
      execution: { executedVersion: "$LATEST", isFunctionError: true },
    });
    expect([payload.toString(), response?.toString()]).toEqual(['{"id":"x"}', '{"errorMessage":"no"}']);
  }
});

test("a destination that never answers is given up, others are served meanwhile", async () => {
  const { events } = createMemoryStore();
  const taken: string[] = [];
  let failures = 0;
  const server = serverOn(
    events,
    (id) => answerOf(id.startsWith("bad")),
    async ({ event, delivery }) => {
      if (delivery.to.includes("failure")) {
        failures++;
        throw new Error("away");
      }
      taken.push(`${event.id} ${delivery.kind}`);
    },
    (count, _triedFromMs, nowMs) => (count < 3 ? { kind: "retry", atMs: nowMs + 1 } : { kind: "giveUp" }),
  );
  await server.start();
  await server.queue.accept(requestOf("bad"));
  await server.queue.accept(requestOf("good"));
  await idle(server);
  expect(failures).toBe(3);
  expect(taken.sort()).toEqual(["bad deadLetter", "good destination"]);
  expect(await events.loadConcluded()).toEqual([]);
});

test("an outcome that no server could deliver for longer than deliveries are tried is tried for as long again", async () => {
  const { events } = createMemoryStore();
  const first = serverOn(
    events,
    () => answerOf(false),
    async () => {},
  );
  await first.queue.accept(requestOf("x"));
  first.outbox.start = () => {}; // It ends before anything is sent.
  await first.start();
  await expect.poll(() => first.queue.length).toBe(0);
  first.stop();

  const { ageMsMax } = DEFAULT_DELIVERY_SETTINGS;
  let passedMs = ageMsMax + 3_600_000;
  const clock = { nowMs: () => Date.now() + passedMs, monotonicMs: () => performance.now() + passedMs };
  const failed: number[] = [];
  const outbox = new Outbox({
    events,
    deliver: () => Promise.reject(new Error("not up yet")),
    decide: (failures, triedFromMs, nowMs) => {
      failed.push(failures);
      const decision = decideDelivery(failures, triedFromMs, DEFAULT_DELIVERY_SETTINGS, nowMs);
      return decision.kind === "giveUp" ? decision : { ...decision, atMs: nowMs + 1 };
    },
    clock,
    log,
  });
  await outbox.load();
  outbox.start();
  await expect.poll(() => failed.length).toBeGreaterThan(2);
  expect(await events.loadConcluded()).toMatchObject([{ id: "x" }]);
  passedMs += ageMsMax;
  await expect.poll(() => outbox.length).toBe(0);
  expect(await events.loadConcluded()).toEqual([]);
});

test("a slow destination holds up no other, and what is undelivered counts towards the bound of the queue", async () => {
  const { events } = createMemoryStore();
  const slow = Promise.withResolvers<void>();
  const taken: string[] = [];
  const server = serverOn(
    events,
    (id) => answerOf(id.startsWith("slow")),
    async ({ event, delivery }) => {
      if (delivery.kind === "destination" && event.id.startsWith("slow")) await slow.promise;
      taken.push(`${event.id} ${delivery.kind}`);
    },
  );
  await server.start();
  for (let i = 0; i < 100; i++) await server.queue.accept(requestOf(`slow-${i}`));
  await expect.poll(() => server.queue.length).toBe(0);
  await server.queue.accept(requestOf("quick"));
  await expect.poll(() => taken).toContain("quick destination");
  expect(server.outbox.length).toBe(100);
  slow.resolve();
  await expect.poll(() => server.outbox.length).toBe(0);
  expect(taken).toHaveLength(201);
});
