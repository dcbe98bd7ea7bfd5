import type { RecordTable } from "../../ports/record-table.ts";
import type {
  TableSourceAnswer,
  TableSourceDescription,
  TableSourceRecord,
  TableSourceSettings,
  TableSources,
} from "../../ports/table-source.ts";
import { closePool, openPool, problemOf } from "./connection.ts";
import { QueueTable } from "./queue-table.ts";
import { TableReader, type TableReaderOptions } from "./table-reader.ts";

export type StoredTableSourcesOptions = TableReaderOptions & {
  readonly table: RecordTable<TableSourceRecord>;
  /** Whether there is such a function of the operator's. */
  isFunction(name: string, qualifier: string | undefined): boolean;
};

type Entry = {
  record: TableSourceRecord;
  lastResult: string | undefined;
  /** Exactly while rows may be taken or run. */
  reader: TableReader | undefined;
};

/** Bounds the connections to databases. */
const SOURCES_MAX = 100;

/** The tables of PostgreSQL that are queues for functions. Changes of sources happen one after another. */
export class StoredTableSources implements TableSources {
  readonly #options: StoredTableSourcesOptions;
  readonly #entries = new Map<string, Entry>();
  /** Readers that take nothing more, until what they run has ended. */
  readonly #ending = new Set<Promise<void>>();
  #lastChange: Promise<unknown> = Promise.resolve();
  #isStarted = false;

  constructor(options: StoredTableSourcesOptions) {
    this.#options = options;
  }

  /** Reads what is stored; nothing is connected before `start`. @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const record of await this.#options.table.load()) {
      this.#entries.set(record.name, { record, lastResult: undefined, reader: undefined });
    }
  }

  start(): void {
    this.#isStarted = true;
    for (const entry of this.#entries.values()) void this.#inTurn(() => this.#begin(entry));
  }

  /** Takes nothing more; resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#isStarted = false;
    await this.#inTurn(async () => {
      for (const entry of this.#entries.values()) this.#end(entry);
    });
    await Promise.all(this.#ending);
  }

  put(
    name: string,
    settings: TableSourceSettings,
  ): Promise<TableSourceAnswer<TableSourceDescription & { readonly isTableNew: boolean }>> {
    return this.#inTurn(async () => {
      const { functionName, qualifier, schema, table } = settings;
      const before = this.#entries.get(name);
      if (!this.#options.isFunction(functionName, qualifier)) {
        const says = `There is no function ${qualifier === undefined ? functionName : `${functionName}:${qualifier}`}.`;
        return { kind: "unusable", says };
      }
      if (before === undefined && this.#entries.size >= SOURCES_MAX) {
        return { kind: "unusable", says: `There are ${SOURCES_MAX} sources already.` };
      }
      const record: TableSourceRecord = { ...settings, name, isPaused: false };
      const prepared = await asked(() => withPool(record, (pool) => new QueueTable(pool, schema, table).prepare()));
      if (prepared.kind !== "done") return prepared;
      await this.#options.table.put(name, record);
      if (before !== undefined) this.#end(before);
      const entry: Entry = { record, lastResult: undefined, reader: undefined };
      this.#entries.set(name, entry);
      await this.#begin(entry);
      return { kind: "done", value: { ...describe(entry), isTableNew: prepared.value } };
    });
  }

  list(): TableSourceDescription[] {
    return [...this.#entries.values()].sort((a, b) => (a.record.name < b.record.name ? -1 : 1)).map(describe);
  }

  async look(name: string, deadMax: number): ReturnType<TableSources["look"]> {
    return this.#ask(name, async (table, entry) => {
      const [rows, deadRows] = [await table.counts(), await table.dead(deadMax)];
      return { ...describe(entry), rows, deadRows };
    });
  }

  async revive(name: string, ids: readonly string[] | undefined): Promise<TableSourceAnswer<number>> {
    const answer = await this.#ask(name, (table) => table.revive(ids));
    this.#entries.get(name)?.reader?.look();
    return answer;
  }

  pause(name: string, isPaused: boolean): Promise<TableSourceDescription | undefined> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(name);
      if (entry === undefined) return undefined;
      const record = { ...entry.record, isPaused };
      await this.#options.table.put(name, record);
      entry.record = record;
      if (isPaused) this.#end(entry);
      else await this.#begin(entry);
      return describe(entry);
    });
  }

  delete(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(name);
      if (entry === undefined) return false;
      await this.#options.table.delete(name);
      this.#entries.delete(name);
      this.#end(entry);
      return true;
    });
  }

  /** Asks a source's table, by connections of its own if it is not being read. */
  async #ask<T>(name: string, ask: (table: QueueTable, entry: Entry) => Promise<T>): Promise<TableSourceAnswer<T>> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return { kind: "missing" };
    const { record, reader } = entry;
    const { schema, table } = record;
    return asked(() => {
      if (reader !== undefined) return ask(reader.table, entry);
      return withPool(record, (pool) => ask(new QueueTable(pool, schema, table), entry));
    });
  }

  async #begin(entry: Entry): Promise<void> {
    const { name, functionName, isPaused } = entry.record;
    if (!this.#isStarted || isPaused || entry.reader !== undefined) return;
    const { log } = this.#options;
    const listener = {
      onOk: () => {
        if (entry.lastResult?.startsWith("PROBLEM") === true) {
          log.info({ source: name, functionName }, "an event source works again");
        }
        entry.lastResult = "OK";
      },
      onProblem: (why: string) => {
        log.warn({ source: name, functionName, why }, "a batch of an event source was not done");
        entry.lastResult = `PROBLEM: ${why}`;
      },
    };
    try {
      entry.reader = await TableReader.open(entry.record, listener, this.#options);
      entry.reader.start();
    } catch (error) {
      listener.onProblem(problemOf(error));
    }
  }

  /** Not waited for: what it runs may take long, and holds up nothing else. */
  #end(entry: Entry): void {
    const { reader } = entry;
    entry.reader = undefined;
    if (reader === undefined) return;
    const ending = reader.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => {});
    return done;
  }
}

async function asked<T>(ask: () => Promise<T>): Promise<TableSourceAnswer<T>> {
  try {
    return { kind: "done", value: await ask() };
  } catch (error) {
    return { kind: "unusable", says: problemOf(error) };
  }
}

async function withPool<T>(record: TableSourceRecord, use: (pool: Awaited<ReturnType<typeof openPool>>) => Promise<T>) {
  const pool = await openPool(record);
  try {
    return await use(pool);
  } finally {
    await closePool(pool);
  }
}

function describe({ record, lastResult }: Entry): TableSourceDescription {
  return { ...record, url: shownUrl(record.url), lastResult };
}

/** Without what is secret in it. */
export function shownUrl(text: string): string {
  const url = new URL(text);
  if (url.password !== "") url.password = "***";
  if (url.searchParams.has("password")) url.searchParams.set("password", "***");
  return url.href;
}
