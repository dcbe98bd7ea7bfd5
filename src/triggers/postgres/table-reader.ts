import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Pool } from "pg";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { TableSourceRecord } from "../../ports/table-source.ts";
import type { BatchRun } from "../sources/batch-run.ts";
import { PAYLOAD_BYTES_MAX, payloadBatchesOf } from "../sources/payload-batches.ts";
import type { SourceListener } from "../sources/source.ts";
import { closeClient, closedWithin, closePool, openClient, openPool, problemOf } from "./connection.ts";
import { CHANNEL, LEASE_MS, QueueTable, type TakenRow } from "./queue-table.ts";
import { type TableRecord, tableRecordOf } from "./table-record.ts";

export type TableReaderOptions = {
  readonly batches: BatchRun;
  readonly log: Log;
};

/** The table is looked at as often though nothing notifies: rows of others whose lease ended, tables without the trigger. */
const LOOK_MS_MAX = 30_000;
/** Several times within a lease. */
const RENEW_MS = LEASE_MS / 3;
/** Pause after a failure of the database, and its longest; doubles. */
const OUTAGE_PAUSE_MS = 500;
const OUTAGE_PAUSE_MS_MAX = 30_000;
/** Pause after a batch that was refused, and its longest; doubles. */
const REFUSED_PAUSE_MS = 200;
const REFUSED_PAUSE_MS_MAX = 5_000;
/** Pause before a result is tried to be recorded again, and its longest; doubles. */
const RECORD_PAUSE_MS = 500;
const RECORD_PAUSE_MS_MAX = 5_000;
const TOO_LARGE = "It is larger than a function's request may be.";

/**
 * Takes rows of one table and runs a function with them. Notifications only say that it is worth looking: who listens is
 * connected before the table is looked at, so that nothing is missed that was put in while nobody listened. Rows are taken
 * under a lease, which is renewed while they run; those of a server that ended come again when it has passed. A row
 * that failed before is run alone, so that it takes no others with it, unless the function says which ones failed.
 */
export class TableReader {
  readonly #options: TableReaderOptions;
  readonly #record: TableSourceRecord;
  readonly #listener: SourceListener;
  readonly #pool: Pool;
  readonly #table: QueueTable;
  readonly #stopping = new AbortController();
  /** Rows that are being run, by their lease. */
  readonly #leases = new Map<string, readonly string[]>();
  readonly #running = new Set<Promise<void>>();
  #client: Client | undefined;
  #loop: Promise<void> = Promise.resolve();
  #renewing: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};
  #isWoken = false;
  #outages = 0;
  #refusals = 0;

  constructor(record: TableSourceRecord, listener: SourceListener, pool: Pool, options: TableReaderOptions) {
    this.#options = options;
    this.#record = record;
    this.#listener = listener;
    this.#pool = pool;
    this.#table = new QueueTable(pool, record.schema, record.table);
  }

  /** A reader with connections of its own, of which none is made yet. */
  static async open(
    record: TableSourceRecord,
    listener: SourceListener,
    options: TableReaderOptions,
  ): Promise<TableReader> {
    return new TableReader(record, listener, await openPool(record), options);
  }

  get table(): QueueTable {
    return this.#table;
  }

  start(): void {
    this.#renewing = setInterval(() => void this.#renew().catch(() => {}), RENEW_MS);
    this.#loop = this.#read();
  }

  /** Takes nothing more; resolves when what runs has ended and its result is recorded. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await closedWithin(this.#loop);
    await Promise.all(this.#running);
    clearInterval(this.#renewing);
    await closeClient(this.#client);
    await closePool(this.#pool);
  }

  /** There may be rows that are due. */
  look(): void {
    this.#isWoken = true;
    this.#wake();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #read(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#listen();
        // After an outage leases may be nearly over, while what they are for goes on.
        if (this.#outages > 0) await this.#renew();
        await this.#takeWhatIsDue();
        if (this.#outages > 0) this.#listener.onOk();
        this.#outages = 0;
        const dueMs = await this.#table.untilDueMs([...this.#leases.keys()]);
        await this.#wait(Math.min(dueMs ?? LOOK_MS_MAX, LOOK_MS_MAX));
      } catch (error) {
        if (this.#isStopped) return;
        this.#listener.onProblem(problemOf(error));
        this.#outages++;
        await this.#pause(Math.min(OUTAGE_PAUSE_MS * 2 ** Math.min(this.#outages - 1, 30), OUTAGE_PAUSE_MS_MAX));
      }
    }
  }

  async #listen(): Promise<void> {
    const listening = this.#client;
    if (listening !== undefined) {
      // Nothing was heard: of a connection that a network has forgotten nothing ever is.
      if (!this.#isWoken) void this.#probe(listening);
      return;
    }
    const client = await openClient(this.#record);
    client.on("error", () => this.#forget(client));
    client.on("end", () => this.#forget(client));
    client.on("notification", ({ payload }) => {
      if (payload === this.#table.message) this.look();
    });
    this.#client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      this.#client = undefined;
      await closeClient(client);
      throw error;
    }
  }

  async #probe(client: Client): Promise<void> {
    try {
      await client.query("SELECT 1");
    } catch {
      this.#forget(client);
      await closeClient(client);
    }
  }

  #forget(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.look(); // To connect again.
  }

  async #takeWhatIsDue(): Promise<void> {
    const { batchSize, concurrencyMax, attemptsMax } = this.#record;
    while (!this.#isStopped && this.#client !== undefined) {
      this.#isWoken = false;
      if (this.#running.size >= concurrencyMax) {
        await Promise.race(this.#running);
        continue;
      }
      if (this.#refusals > 0) {
        const pauseMs = REFUSED_PAUSE_MS * 2 ** Math.min(this.#refusals - 1, 30);
        await this.#pause(Math.min(pauseMs, REFUSED_PAUSE_MS_MAX));
      }
      const lease = randomUUID();
      const held = [...this.#leases.keys()];
      const rows = await this.#table.take(batchSize, PAYLOAD_BYTES_MAX, attemptsMax, lease, held);
      if (rows.length === 0) return;
      this.#begin(rows, lease);
    }
  }

  #begin(rows: readonly TakenRow[], lease: string): void {
    this.#leases.set(
      lease,
      rows.map(({ id }) => id),
    );
    const running = this.#process(rows, lease).catch((error: unknown) => {
      const { name } = this.#record;
      this.#options.log.error({ source: name, error }, "rows were not run to their end: they come again");
    });
    const ended = running.finally(() => {
      this.#leases.delete(lease);
      this.#running.delete(ended);
      // A place is free, or a row is due again before the time that was asked for.
      this.look();
    });
    this.#running.add(ended);
  }

  async #process(rows: readonly TakenRow[], lease: string): Promise<void> {
    const tooLarge = rows.filter(({ body }) => body === null).map(({ id }) => id);
    await this.#fail(tooLarge, lease, TOO_LARGE);
    const records = rows.filter(({ body }) => body !== null).map((row) => tableRecordOf(row, this.#record));
    for (const batch of this.#batchesOf(records)) {
      const ids = batch.map(({ messageId }) => messageId);
      if (this.#isStopped) await this.#settle(ids, lease, () => this.#table.release(ids, lease));
      else await this.#run(batch, ids, lease);
    }
  }

  #batchesOf(records: readonly TableRecord[]): TableRecord[][] {
    if (this.#record.reportsItemFailures) return payloadBatchesOf(records);
    const isFirst = ({ attributes }: TableRecord) => attributes.ApproximateReceiveCount === "1";
    const alone = records.filter((record) => !isFirst(record)).map((record) => [record]);
    return [...payloadBatchesOf(records.filter(isFirst)), ...alone];
  }

  async #run(batch: readonly TableRecord[], ids: readonly string[], lease: string): Promise<void> {
    const table = this.#table;
    const payload = Buffer.from(JSON.stringify({ Records: batch }));
    if (payload.length > PAYLOAD_BYTES_MAX) return this.#fail(ids, lease, TOO_LARGE);
    const target = { ...this.#record, accountId: DEFAULT_ACCOUNT_ID };
    const result = await this.#options.batches.run(target, payload, ids);
    this.#refusals = result.kind === "refused" ? this.#refusals + 1 : 0;
    switch (result.kind) {
      case "ran": {
        const failed = ids.filter((id) => result.failedIds.has(id));
        const done = ids.filter((id) => !result.failedIds.has(id));
        await this.#settle(done, lease, () => table.finish(done, lease));
        await this.#fail(failed, lease, "The function reported it as failed.");
        if (failed.length === 0) return this.#listener.onOk();
        return this.#listener.onProblem(`Function reported ${failed.length} of ${ids.length} records as failed`);
      }
      case "failed":
        await this.#fail(ids, lease, result.error ?? result.why);
        return this.#listener.onProblem(result.why);
      case "refused":
        await this.#settle(ids, lease, () => table.release(ids, lease));
        return this.#listener.onProblem(result.why);
      default:
        throw result satisfies never;
    }
  }

  #fail(ids: readonly string[], lease: string, why: string): Promise<void> {
    const { attemptsMax } = this.#record;
    return this.#settle(ids, lease, () => this.#table.fail(ids, lease, why, attemptsMax));
  }

  /**
   * Records what became of rows, and tries so until the reader stops: their lease is renewed meanwhile, and if it is over
   * none the less, and another has taken them, the answer says so.
   */
  async #settle(ids: readonly string[], lease: string, record: () => Promise<number>): Promise<void> {
    const { log } = this.#options;
    const { name } = this.#record;
    for (let pauseMs = RECORD_PAUSE_MS; ids.length > 0; pauseMs = Math.min(pauseMs * 2, RECORD_PAUSE_MS_MAX)) {
      try {
        const count = await record();
        const lost = ids.length - count;
        if (lost > 0) log.warn({ source: name, lost }, "rows were run, and taken by another before that was recorded");
        break;
      } catch (error) {
        if (this.#isStopped) {
          log.warn({ source: name, error }, "what became of rows could not be recorded: they come again");
          break;
        }
        await this.#pause(pauseMs);
      }
    }
    const left = this.#leases.get(lease)?.filter((id) => !ids.includes(id)) ?? [];
    this.#leases.set(lease, left);
  }

  async #renew(): Promise<void> {
    await this.#table.renew(this.#leases);
  }

  /** Until it is time, or there is a reason to look before. */
  async #wait(ms: number): Promise<void> {
    if (this.#isWoken || this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  /** Ends early when the reader stops. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}
