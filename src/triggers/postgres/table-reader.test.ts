import { EventEmitter } from "node:events";
import type { Pool } from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TableSourceRecord } from "../../ports/table-source.ts";
import type { BatchRun } from "../sources/batch-run.ts";
import { TableReader } from "./table-reader.ts";

// Only time is made up, and a database that answers each statement as it is told to.
vi.mock("node:timers/promises", () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms, value);
      signal?.addEventListener("abort", () => reject(signal.reason));
    }),
}));
vi.mock("./connection.ts", async (original) => ({
  ...(await original<object>()),
  openClient: async () => {
    clients.push(
      Object.assign(new EventEmitter(), { connect: async () => {}, query: async () => {}, end: async () => {} }),
    );
    return clients.at(-1);
  },
}));
const clients: { query(): Promise<void> }[] = [];
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const record: TableSourceRecord = {
  name: "s",
  url: "postgres://h/d",
  schema: "public",
  table: "jobs",
  functionName: "f",
  qualifier: undefined,
  batchSize: 10,
  concurrencyMax: 2,
  attemptsMax: 5,
  reportsItemFailures: false,
  isPaused: false,
};

type Statement = { readonly sql: string; readonly values: readonly unknown[] };

/** A reader of a table with one row; `query` sees every statement before it is answered. */
function readerOn(query: (statement: Statement) => void, run: () => Promise<void> = async () => {}) {
  const rows = [{ id: "1", body: "{}", attempts: 1, createdMs: 0 }];
  const pool = {
    query: async (sql: string, values: readonly unknown[] = []) => {
      query({ sql, values });
      if (sql.includes("WITH due")) return { rows: rows.splice(0) };
      return { rows: [{ ms: null }], rowCount: 1 };
    },
    end: async () => {},
  } as unknown as Pool;
  const batches = {
    run: async () => {
      await run();
      return { kind: "ran", failedIds: new Set() };
    },
  } as unknown as BatchRun;
  const listener = { onOk() {}, onProblem() {} };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return new TableReader(record, listener, pool, { batches, log });
}

test("a result is recorded however long the database was away", async () => {
  let isAway = false;
  const recorded: unknown[] = [];
  const reader = readerOn(
    ({ sql, values }) => {
      if (isAway) throw new Error("connection refused");
      if (sql.startsWith("DELETE")) recorded.push(values[0]);
    },
    async () => {
      isAway = true;
    },
  );
  reader.start();
  await vi.advanceTimersByTimeAsync(60_000);
  isAway = false;
  await vi.advanceTimersByTimeAsync(6_000);
  expect(recorded).toEqual([["1"]]);
  const stopped = reader.stop();
  await vi.advanceTimersByTimeAsync(5_000);
  await stopped;
});

test("a reader that stops gives up what it cannot record", async () => {
  let isAway = false;
  const reader = readerOn(
    () => {
      if (isAway) throw new Error("connection refused");
    },
    async () => {
      isAway = true;
    },
  );
  reader.start();
  await vi.advanceTimersByTimeAsync(20_000);
  let isStopped = false;
  void reader.stop().then(() => {
    isStopped = true;
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(isStopped).toBe(true);
});

test("rows that are being run are not taken from the reader itself, and all leases are renewed at once", async () => {
  const running = Promise.withResolvers<void>();
  const statements: Statement[] = [];
  const reader = readerOn(
    (statement) => void statements.push(statement),
    () => running.promise,
  );
  reader.start();
  await vi.advanceTimersByTimeAsync(100);
  const [taken] = statements.filter(({ sql }) => sql.includes("WITH due"));
  const [, lease] = taken?.values ?? [];
  statements.length = 0;
  reader.look();
  await vi.advanceTimersByTimeAsync(4_000);
  const looked = statements.filter(({ sql }) => /dead_at IS NULL/.test(sql));
  expect(looked.map(({ values }) => values.at(-1))).toEqual([[lease], [lease], [lease]]);
  const renewed = statements.filter(({ sql }) => sql.includes("unnest"));
  expect(renewed.map(({ values }) => values.slice(0, 2))).toEqual([[["1"], [lease]]]);
  running.resolve();
  const stopped = reader.stop();
  await vi.advanceTimersByTimeAsync(5_000);
  await stopped;
});

test("who listens on a connection that a network has forgotten without a word connects again", async () => {
  clients.length = 0;
  const takes: number[] = [];
  const reader = readerOn(({ sql }) => {
    if (sql.includes("WITH due")) takes.push(Date.now());
  });
  reader.start();
  await vi.advanceTimersByTimeAsync(95_000);
  expect(clients).toHaveLength(1);
  const [silent] = clients;
  if (silent !== undefined)
    silent.query = () => new Promise((_, reject) => setTimeout(reject, 30_000, new Error("Query read timeout")));
  takes.length = 0;
  await vi.advanceTimersByTimeAsync(90_000);
  expect(clients).toHaveLength(2);
  // The table is looked at as often as before meanwhile.
  expect(takes.length).toBeGreaterThanOrEqual(3);
  await reader.stop();
});
