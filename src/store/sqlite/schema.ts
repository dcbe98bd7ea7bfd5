import type { DatabaseSync } from "node:sqlite";

/**
 * Steps of the schema, forward only: the number of steps taken is the database's `user_version`.
 * A step that was released is never changed; a new one is added below it.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE function (
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE account (account_id TEXT PRIMARY KEY, name TEXT NOT NULL, created_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE access_key (
    access_key_id TEXT PRIMARY KEY,
    secret_access_key TEXT NOT NULL,
    account_id TEXT NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    function_name TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    payload BLOB NOT NULL,
    invoked_arn TEXT NOT NULL,
    client_context TEXT,
    trace_id TEXT,
    accepted_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    function_failures INTEGER NOT NULL,
    next_attempt_ms INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE capacity_change (
    sequence INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
  ) STRICT;
  CREATE INDEX capacity_change_of_account ON capacity_change (account_id, sequence);
  `,
  `
  CREATE TABLE cost (
    day TEXT NOT NULL,
    account_id TEXT NOT NULL,
    function_name TEXT NOT NULL,
    sub_pool TEXT NOT NULL,
    invocations INTEGER NOT NULL,
    busy_ms REAL NOT NULL,
    run_usd REAL NOT NULL,
    held_ms REAL NOT NULL,
    held_usd REAL NOT NULL,
    fixed_usd REAL NOT NULL,
    PRIMARY KEY (day, account_id, function_name, sub_pool)
  ) WITHOUT ROWID, STRICT;
  `,
  "ALTER TABLE event ADD COLUMN deadline_ms INTEGER",
  `
  CREATE TABLE host (host_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE join_token (secret_sha256 TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID, STRICT;
  `,
  `
  CREATE TABLE sizing_change (
    sequence INTEGER PRIMARY KEY,
    scope_key TEXT NOT NULL,
    change TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sizing_change_of_scope ON sizing_change (scope_key, sequence);
  CREATE TABLE size (
    sequence INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL,
    decided_ms TEXT NOT NULL
  ) STRICT;
  `,
  // What hangs on a function goes with it.
  `
  CREATE TABLE function_version (
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account_id, name, version),
    FOREIGN KEY (account_id, name) REFERENCES function ON DELETE CASCADE
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE function_alias (
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account_id, name, alias),
    FOREIGN KEY (account_id, name) REFERENCES function ON DELETE CASCADE
  ) WITHOUT ROWID, STRICT;
  `,
  `
  ALTER TABLE event ADD COLUMN outcome TEXT;
  ALTER TABLE event ADD COLUMN response BLOB;
  ALTER TABLE event ADD COLUMN deliveries TEXT;
  CREATE TABLE event_invoke_config (
    account_id TEXT NOT NULL,
    function_name TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account_id, function_name, qualifier)
  ) WITHOUT ROWID, STRICT;
  `,
  "CREATE TABLE record (kind TEXT, id TEXT, record TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID, STRICT",
  `
  CREATE TABLE schedule (
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    last_tick_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
  ) WITHOUT ROWID, STRICT;
  `,
  "ALTER TABLE event ADD COLUMN trace_state TEXT; ALTER TABLE event ADD COLUMN triggered_by TEXT",
];

const SCHEMA_VERSION = MIGRATIONS.length;

/** The database has steps that this program does not know. */
export class NewerSchemaError extends Error {}

/** Brings the database to this program's schema, all or nothing. @throws NewerSchemaError. */
export function migrate(database: DatabaseSync): void {
  const found = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (found > SCHEMA_VERSION) {
    throw new NewerSchemaError(`its schema is ${found}, this version knows up to ${SCHEMA_VERSION}`);
  }
  for (let version = found; version < SCHEMA_VERSION; version++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[version]}; PRAGMA user_version = ${version + 1}; COMMIT;`);
  }
}
