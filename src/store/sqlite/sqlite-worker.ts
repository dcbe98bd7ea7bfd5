import { Worker } from "node:worker_threads";
import { HearthError } from "../../model/error-code.ts";
import type { Row, StatementName, StatementParameter, StatementUnit, WorkerMessage, WorkerOrder } from "./statement.ts";

/**
 * Calls that wait while a group commits; more are refused with STORE_FAILED. Twice the events of a full queue, each of
 * which may have something to be written when a server begins or ends.
 */
const CALLS_WAITING_MAX = 200_000;
/** Of one group: handing them to the thread holds up the event loop. */
const CALLS_PER_GROUP_MAX = 20_000;
/** Bytes of their parameters. */
const CALL_BYTES_WAITING_MAX = 256 * 1024 * 1024;

type WaitingUnit = {
  readonly unit: StatementUnit;
  readonly bytes: number;
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: HearthError) => void;
};

/**
 * The event loop's side of the database thread. Group commit: while one group is being committed,
 * calls wait, and all that waited are the next group; under load an fsync is shared by hundreds.
 *
 * - opening: the thread opens and migrates the database; no calls are accepted yet.
 * - idle: no group is with the thread. A call leaves at the end of the turn it was made in.
 * - committing: one group is with the thread; calls wait.
 * - ended: closed, or the thread died; every call fails with STORE_FAILED.
 */
export class SqliteWorker {
  readonly #worker: Worker;
  #state: "opening" | "idle" | "committing" | "ended" = "opening";
  #waiting: WaitingUnit[] = [];
  #waitingBytes = 0;
  #committing: WaitingUnit[] = [];
  #isFlushPlanned = false;
  #isClosing = false;
  #onIdle: (() => void) | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /**
   * @param onLost called when the database's thread ends without having been told to, after it was open.
   * @throws HearthError DATA_IN_USE, STORE_NEWER, STORE_FAILED.
   */
  static open(databasePath: string, onLost: (error: Error) => void): Promise<SqliteWorker> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { databasePath } });
    const sqlite = new SqliteWorker(worker);
    return new Promise((resolve, reject) => {
      worker.on("message", (message: WorkerMessage) => {
        if (message.kind === "done") return sqlite.#finishGroup(message);
        if (message.kind === "notOpened") return reject(new HearthError(message.code, message.detail));
        sqlite.#state = "idle";
        resolve(sqlite);
      });
      worker.on("error", (error: Error) => {
        sqlite.#end(`the database thread failed: ${error.message}`, onLost);
        reject(new HearthError("STORE_FAILED", error.message, { cause: error }));
      });
      worker.on("exit", () => sqlite.#end("the database is closed", onLost));
    });
  }

  run(name: StatementName, ...parameters: StatementParameter[]): Promise<Row[]> {
    return this.runAll([{ name, parameters }]);
  }

  /** All or none. @returns the rows of the last one. */
  runAll(unit: StatementUnit): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#state === "ended") return reject(new HearthError("STORE_FAILED", "the database is closed"));
      const bytes = unit.reduce((sum, { parameters }) => sum + bytesOf(parameters), 0);
      if (this.#waiting.length >= CALLS_WAITING_MAX || this.#waitingBytes + bytes > CALL_BYTES_WAITING_MAX) {
        return reject(new HearthError("STORE_FAILED", "more changes wait for the disk than the server holds"));
      }
      this.#waiting.push({ unit, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#planFlush();
    });
  }

  async close(): Promise<void> {
    if (this.#state === "ended") return;
    this.#isClosing = true;
    if (this.#state === "committing" || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    const exited = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#post({ kind: "close" });
    await exited;
  }

  #planFlush(): void {
    if (this.#state !== "idle" || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state !== "idle") return;
    if (this.#waiting.length === 0) return this.#onIdle?.();
    this.#state = "committing";
    this.#committing = this.#waiting.slice(0, CALLS_PER_GROUP_MAX);
    this.#waiting = this.#waiting.slice(CALLS_PER_GROUP_MAX);
    for (const { bytes } of this.#committing) this.#waitingBytes -= bytes;
    this.#post({ kind: "run", units: this.#committing.map(({ unit }) => unit) });
  }

  #finishGroup(message: Extract<WorkerMessage, { kind: "done" }>): void {
    const calls = this.#committing;
    this.#committing = [];
    this.#state = "idle";
    this.#flush();
    calls.forEach((call, index) => {
      const result = message.results[index];
      if (result?.kind === "rows") call.resolve(result.rows);
      else call.reject(new HearthError("STORE_FAILED", result?.detail));
    });
  }

  #end(detail: string, onLost: (error: Error) => void): void {
    if (this.#state === "ended") return;
    const isLost = this.#state !== "opening" && !this.#isClosing;
    this.#state = "ended";
    for (const call of [...this.#committing, ...this.#waiting]) call.reject(new HearthError("STORE_FAILED", detail));
    this.#committing = [];
    this.#waiting = [];
    this.#onIdle?.();
    if (isLost) onLost(new HearthError("STORE_FAILED", detail));
  }

  #post(order: WorkerOrder): void {
    this.#worker.postMessage(order);
  }
}

function bytesOf(parameters: readonly StatementParameter[]): number {
  let bytes = 0;
  for (const parameter of parameters) {
    if (typeof parameter === "string" || parameter instanceof Uint8Array) bytes += parameter.length;
  }
  return bytes;
}
