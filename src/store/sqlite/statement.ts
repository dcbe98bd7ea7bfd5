/**
 * Every statement that the store runs, by name: what travels to the worker is a name and parameters,
 * never SQL.
 */
export const STATEMENTS = {
  loadFunctions: "SELECT record FROM function ORDER BY account_id, name",
  // Not REPLACE, which would delete the row first, and with it what hangs on the function.
  putFunction:
    "INSERT INTO function (account_id, name, record) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
  deleteFunction: "DELETE FROM function WHERE account_id = ? AND name = ?",
  loadVersions: "SELECT record FROM function_version ORDER BY account_id, name, version",
  putVersion: "INSERT INTO function_version (account_id, name, version, record) VALUES (?, ?, ?, ?)",
  deleteVersion: "DELETE FROM function_version WHERE account_id = ? AND name = ? AND version = ?",
  loadAliases: "SELECT record FROM function_alias ORDER BY account_id, name, alias",
  putAlias: "INSERT OR REPLACE INTO function_alias (account_id, name, alias, record) VALUES (?, ?, ?, ?)",
  deleteAlias: "DELETE FROM function_alias WHERE account_id = ? AND name = ? AND alias = ?",
  loadAccounts: "SELECT account_id AS accountId, name, created_ms AS createdMs FROM account ORDER BY account_id",
  putAccount: "INSERT OR REPLACE INTO account (account_id, name, created_ms) VALUES (?, ?, ?)",
  loadAccessKeys:
    "SELECT access_key_id AS accessKeyId, secret_access_key AS secretAccessKey, account_id AS accountId FROM access_key ORDER BY access_key_id",
  putAccessKey: "INSERT OR REPLACE INTO access_key (access_key_id, secret_access_key, account_id) VALUES (?, ?, ?)",
  deleteAccessKey: "DELETE FROM access_key WHERE access_key_id = ?",
  meta: "SELECT value FROM meta WHERE name = ?",
  putMeta: "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
  loadCapacities: `SELECT account_id AS accountId, changed_ms AS changedMs, changed_by AS changedBy, before, after
    FROM capacity_change WHERE sequence IN (SELECT max(sequence) FROM capacity_change GROUP BY account_id)
    ORDER BY account_id`,
  capacityChanges: `SELECT account_id AS accountId, changed_ms AS changedMs, changed_by AS changedBy, before, after
    FROM capacity_change WHERE account_id = ? ORDER BY sequence DESC`,
  putCapacity: "INSERT INTO capacity_change (account_id, changed_ms, changed_by, before, after) VALUES (?, ?, ?, ?, ?)",
  trimCapacityChanges: `DELETE FROM capacity_change WHERE account_id = ?1 AND sequence NOT IN
    (SELECT sequence FROM capacity_change WHERE account_id = ?1 ORDER BY sequence DESC LIMIT ?2)`,
  loadCosts: `SELECT day, account_id AS accountId, function_name AS functionName, sub_pool AS subPool, invocations,
    busy_ms AS busyMs, run_usd AS runUsd, held_ms AS heldMs, held_usd AS heldUsd, fixed_usd AS fixedUsd
    FROM cost WHERE day BETWEEN ? AND ? ORDER BY day, account_id, function_name, sub_pool`,
  addCosts: `INSERT INTO cost (day, account_id, function_name, sub_pool, invocations, busy_ms, run_usd, held_ms,
    held_usd, fixed_usd)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET invocations = invocations + excluded.invocations, busy_ms = busy_ms + excluded.busy_ms,
    run_usd = run_usd + excluded.run_usd, held_ms = held_ms + excluded.held_ms,
    held_usd = held_usd + excluded.held_usd, fixed_usd = fixed_usd + excluded.fixed_usd`,
  deleteCosts: "DELETE FROM cost WHERE day < ?",
  loadSizingChanges: `SELECT change FROM sizing_change
    WHERE sequence IN (SELECT max(sequence) FROM sizing_change GROUP BY scope_key) ORDER BY scope_key`,
  sizingChanges: "SELECT change FROM sizing_change WHERE scope_key = ? ORDER BY sequence DESC",
  putSizingChange: "INSERT INTO sizing_change (scope_key, change) VALUES (?, ?)",
  trimSizingChanges: `DELETE FROM sizing_change WHERE scope_key = ?1 AND sequence NOT IN
    (SELECT sequence FROM sizing_change WHERE scope_key = ?1 ORDER BY sequence DESC LIMIT ?2)`,
  loadSizes: "SELECT key, record, decided_ms AS decidedMs FROM size ORDER BY sequence",
  putSizes: `INSERT OR REPLACE INTO size (key, record, decided_ms)
    SELECT value ->> 'key', value -> 'record', value -> 'decidedMs' FROM json_each(?)`,
  deleteSizes: "DELETE FROM size WHERE key IN (SELECT value FROM json_each(?))",
  appendEvent: `INSERT OR IGNORE INTO event (id, account_id, function_name, qualifier, payload, invoked_arn,
    client_context, trace_id, accepted_ms, attempts, function_failures, next_attempt_ms, deadline_ms,
    trace_state, triggered_by)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  loadEvents: `SELECT id, account_id AS accountId, function_name AS functionName, qualifier, payload,
    invoked_arn AS invokedArn, client_context AS clientContext, trace_id AS traceId, accepted_ms AS acceptedMs,
    attempts, function_failures AS functionFailures, next_attempt_ms AS nextAttemptMs,
    deadline_ms AS deadlineMs, trace_state AS traceState, triggered_by AS "trigger" FROM event WHERE outcome IS NULL ORDER BY sequence`,
  beginAttempt: "UPDATE event SET attempts = ? WHERE id = ?",
  rescheduleEvent: "UPDATE event SET attempts = ?, function_failures = ?, next_attempt_ms = ? WHERE id = ?",
  concludeEvent: "UPDATE event SET outcome = ?, response = ?, deliveries = ? WHERE id = ? AND outcome IS NULL",
  loadConcludedEvents: `SELECT id, account_id AS accountId, function_name AS functionName, qualifier,
    invoked_arn AS invokedArn, outcome, deliveries FROM event WHERE outcome IS NOT NULL ORDER BY sequence`,
  eventPayloads: "SELECT payload, response FROM event WHERE id = ? AND outcome IS NOT NULL",
  setDeliveries: "UPDATE event SET deliveries = ? WHERE id = ? AND outcome IS NOT NULL",
  finishEvent: "DELETE FROM event WHERE id = ?",
  loadEventInvokeConfigs: "SELECT record FROM event_invoke_config ORDER BY account_id, function_name, qualifier",
  putEventInvokeConfig:
    "INSERT OR REPLACE INTO event_invoke_config (account_id, function_name, qualifier, record) VALUES (?, ?, ?, ?)",
  deleteEventInvokeConfig: `DELETE FROM event_invoke_config
    WHERE account_id = ?1 AND function_name = ?2 AND (?3 IS NULL OR qualifier = ?3)`,
  loadRecords: "SELECT record FROM record WHERE kind = ? ORDER BY id",
  putRecord: "INSERT OR REPLACE INTO record (kind, id, record) VALUES (?, ?, ?)",
  deleteRecord: "DELETE FROM record WHERE kind = ? AND id = ?",
  loadSchedules: "SELECT record, last_tick_ms AS lastTickMs FROM schedule ORDER BY account_id, name",
  putSchedule: "INSERT OR REPLACE INTO schedule (account_id, name, record, last_tick_ms) VALUES (?, ?, ?, ?)",
  tickSchedule: "UPDATE schedule SET last_tick_ms = max(last_tick_ms, ?3) WHERE account_id = ?1 AND name = ?2",
  deleteSchedule: "DELETE FROM schedule WHERE account_id = ? AND name = ?",
  loadHosts: "SELECT record FROM host ORDER BY host_id",
  putHost: "INSERT OR REPLACE INTO host (host_id, record) VALUES (?, ?)",
  deleteHost: "DELETE FROM host WHERE host_id = ?",
  loadJoinTokens: "SELECT record FROM join_token ORDER BY secret_sha256",
  putJoinToken: "INSERT OR REPLACE INTO join_token (secret_sha256, record) VALUES (?, ?)",
  deleteJoinToken: "DELETE FROM join_token WHERE secret_sha256 = ?",
} as const;

export type StatementName = keyof typeof STATEMENTS;

export type StatementParameter = string | number | null | Uint8Array;

/** One statement to run. */
export type StatementCall = {
  readonly name: StatementName;
  readonly parameters: readonly StatementParameter[];
};

/** Statements that are run all or none, in this order. */
export type StatementUnit = readonly StatementCall[];

export type Row = Record<string, string | number | null | Uint8Array>;

/** Of a unit: the rows of its last statement. */
export type StatementResult =
  | { readonly kind: "rows"; readonly rows: Row[] }
  | { readonly kind: "failed"; readonly detail: string };

export type WorkerMessage =
  | { readonly kind: "opened" }
  | {
      readonly kind: "notOpened";
      readonly code: "STORE_FAILED" | "STORE_NEWER" | "DATA_IN_USE";
      readonly detail: string;
    }
  /** One result for each unit of the group, in order; all committed. */
  | { readonly kind: "done"; readonly results: StatementResult[] };

/** A group of units, or the end. */
export type WorkerOrder =
  | { readonly kind: "run"; readonly units: readonly StatementUnit[] }
  | { readonly kind: "close" };
