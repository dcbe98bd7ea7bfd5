import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { migrate, NewerSchemaError } from "./schema.ts";
import {
  type Row,
  STATEMENTS,
  type StatementName,
  type StatementResult,
  type StatementUnit,
  type WorkerMessage,
  type WorkerOrder,
} from "./statement.ts";

/**
 * The thread that owns the database: an fsync takes as long as the disk wants, and must not hold up
 * the event loop that serves invocations. It is given groups of units, commits each group as one
 * transaction, and answers when that is on disk.
 */
const port = parentPort;
if (port === null) throw new Error("this file is started as a worker thread");

/** How long another process may take to let go of the database. */
const LOCK_WAIT_MS = 500;
/** SQLite's primary result code for a lock that another holds. */
const SQLITE_BUSY = 5;

const post = (message: WorkerMessage) => port.postMessage(message);
const { databasePath } = workerData as { databasePath: string };

try {
  const database = open(databasePath);
  const statements = prepare(database);
  port.on("message", (order: WorkerOrder) => {
    if (order.kind === "run") return post({ kind: "done", results: runGroup(database, statements, order.units) });
    database.close();
    port.close();
  });
  post({ kind: "opened" });
} catch (error) {
  post({ kind: "notOpened", ...whyNotOpened(error) });
  port.close();
}

/**
 * The exclusive locking mode keeps the file lock from the first transaction until the process ends,
 * however it ends: it is also what keeps a second server away from the data directory.
 */
function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec("BEGIN EXCLUSIVE; COMMIT;");
  migrate(database);
  return database;
}

function prepare(database: DatabaseSync): Map<StatementName, StatementSync> {
  const names = Object.keys(STATEMENTS) as StatementName[];
  return new Map(names.map((name) => [name, database.prepare(STATEMENTS[name])]));
}

/** All in one transaction; if that fails, each alone, so that one bad unit does not fail its neighbours. */
function runGroup(
  database: DatabaseSync,
  statements: Map<StatementName, StatementSync>,
  units: readonly StatementUnit[],
): StatementResult[] {
  try {
    return runTransaction(database, statements, units);
  } catch (error) {
    if (units.length === 1) return [{ kind: "failed", detail: detailOf(error) }];
    return units.flatMap((unit) => runGroup(database, statements, [unit]));
  }
}

function runTransaction(
  database: DatabaseSync,
  statements: Map<StatementName, StatementSync>,
  units: readonly StatementUnit[],
): StatementResult[] {
  database.exec("BEGIN");
  try {
    const results = units.map((unit): StatementResult => {
      let rows: Row[] = [];
      for (const { name, parameters } of unit) rows = statements.get(name)?.all(...parameters) as Row[];
      return { kind: "rows", rows };
    });
    database.exec("COMMIT");
    return results;
  } catch (error) {
    // SQLite itself has rolled back after some errors (a full disk).
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function whyNotOpened(error: unknown): { code: "STORE_FAILED" | "STORE_NEWER" | "DATA_IN_USE"; detail: string } {
  if (error instanceof NewerSchemaError) return { code: "STORE_NEWER", detail: error.message };
  const isBusy = ((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY;
  return { code: isBusy ? "DATA_IN_USE" : "STORE_FAILED", detail: isBusy ? databasePath : detailOf(error) };
}

function detailOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
