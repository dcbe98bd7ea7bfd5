/** What the operator decides about a table of PostgreSQL that is a queue for a function. */
export type TableSourceSettings = {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; with the password, so never shown as it is. */
  readonly url: string;
  readonly schema: string;
  readonly table: string;
  /** Of the operator's account. */
  readonly functionName: string;
  /** A version or an alias; undefined: unqualified. */
  readonly qualifier: string | undefined;
  /** Rows of one invocation, at most. */
  readonly batchSize: number;
  /** Invocations at a time. */
  readonly concurrencyMax: number;
  /** A row that was begun so often and never done is dead. */
  readonly attemptsMax: number;
  /** Whether the function's answer tells which rows of a batch failed. */
  readonly reportsItemFailures: boolean;
};

/** A source as it is stored. */
export type TableSourceRecord = TableSourceSettings & {
  /** Unique on this server. */
  readonly name: string;
  readonly isPaused: boolean;
};

/** A source as the operator sees it. */
export type TableSourceDescription = Omit<TableSourceRecord, "url"> & {
  /** Without the password. */
  readonly url: string;
  /** `OK`, or `PROBLEM: …`; undefined: nothing was read yet. */
  readonly lastResult: string | undefined;
};

/** How many rows of a table are in which state. */
export type TableCounts = {
  /** Due, but not taken yet. */
  readonly waiting: number;
  /** Due later: put in so, or a pause after a failure. */
  readonly delayed: number;
  readonly running: number;
  readonly dead: number;
};

/** A row that was given up. */
export type DeadRow = {
  /** A number of 64 bits. */
  readonly id: string;
  readonly attempts: number;
  readonly lastError: string;
  readonly deadMs: number;
  /** JSON. */
  readonly body: string;
};

/** What became of a question to a source. `unusable`: its database says no, or does not answer; `says`: a sentence. */
export type TableSourceAnswer<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "missing" }
  | { readonly kind: "unusable"; readonly says: string };

/** The sources that are tables. Promises reject with HearthError STORE_FAILED. */
export type TableSources = {
  /** Creates or replaces, and reads at once. Makes the table if there is none: `isTableNew`. */
  put(
    name: string,
    settings: TableSourceSettings,
  ): Promise<TableSourceAnswer<TableSourceDescription & { readonly isTableNew: boolean }>>;
  list(): TableSourceDescription[];
  /** @param deadMax of the rows that were given up, the latest first. */
  look(
    name: string,
    deadMax: number,
  ): Promise<TableSourceAnswer<TableSourceDescription & { readonly rows: TableCounts; readonly deadRows: DeadRow[] }>>;
  /** Lets dead rows begin anew. @param ids undefined: all. @returns how many. */
  revive(name: string, ids: readonly string[] | undefined): Promise<TableSourceAnswer<number>>;
  /** @returns undefined: there is none. */
  pause(name: string, isPaused: boolean): Promise<TableSourceDescription | undefined>;
  /** The table stays. @returns false: there was none. */
  delete(name: string): Promise<boolean>;
};
