import type { Pool, PoolClient } from "pg";
import type { DeadRow, TableCounts } from "../../ports/table-source.ts";

/** A row that was taken to be run. */
export type TakenRow = {
  readonly id: string;
  /** JSON, as PostgreSQL prints it; null: it is larger than was asked for. */
  readonly body: string | null;
  /** This one included. */
  readonly attempts: number;
  readonly createdMs: number;
};

/** The channel on which a table says that rows were put in; the message is its name. */
export const CHANNEL = "hearth";
/** For which taken rows are nobody else's; what renews them comes several times within it. */
export const LEASE_MS = 10_000;
/** Pause after the first failure of a row, and the longest; doubles. */
const RETRY_S = 1;
const RETRY_S_MAX = 3_600;
const ERROR_LENGTH_MAX = 2_000;
/** PostgreSQL's code of it. */
const UNDEFINED_COLUMN = "42703";
const CUT_OFF = "It was being run when its server ended.";

/**
 * A table as a queue: the SQL of it, and nothing else. A row is
 *
 *     waiting ──take──▶ running ──done──▶ (deleted)
 *        ▲  due_at        │ lease
 *        └────fail, lapse─┴──attempts used up──▶ dead ──revive──▶ waiting
 *
 * Taking counts as an attempt, so that a row that ends its server comes to an end too. All times are the database's own.
 */
export class QueueTable {
  readonly #pool: Pool;
  readonly #name: string;
  readonly #schema: string;
  readonly #table: string;

  /** @param schema, table plain names of lower case, checked before: they become part of statements. */
  constructor(pool: Pool, schema: string, table: string) {
    this.#pool = pool;
    this.#schema = schema;
    this.#table = table;
    this.#name = `"${schema}"."${table}"`;
  }

  /** Makes the table if there is none. @returns whether it did. @throws Error when one is there that is no such queue. */
  async prepare(): Promise<boolean> {
    const { rows } = await this.#pool.query("SELECT to_regclass($1) IS NULL AS missing", [this.#name]);
    if (rows[0].missing === false) {
      await this.#pool
        .query(`SELECT id, body, created_at, due_at, attempts, lease, last_error, dead_at FROM ${this.#name} LIMIT 0`)
        .catch((error: Error & { code?: string }) => {
          if (error.code !== UNDEFINED_COLUMN) throw error;
          const remedy = "name another table, or give it the columns that docs/event-sources.md lists";
          throw new Error(`${error.message} in ${this.message}; ${remedy}`, { cause: error });
        });
      return false;
    }
    const client = await this.#pool.connect();
    try {
      await this.#make(client);
      return true;
    } finally {
      client.release();
    }
  }

  async #make(client: PoolClient): Promise<void> {
    // One message of several statements is one transaction.
    await client.query(`
      CREATE TABLE ${this.#name} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        body jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        attempts integer NOT NULL DEFAULT 0,
        lease uuid,
        last_error text,
        dead_at timestamptz
      );
      CREATE INDEX ON ${this.#name} (due_at, id) WHERE dead_at IS NULL;
      CREATE INDEX ON ${this.#name} (dead_at) WHERE dead_at IS NOT NULL;
      CREATE OR REPLACE FUNCTION "${this.#schema}".hearth_notify() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_notify('${CHANNEL}', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME);
          RETURN NULL;
        END $$;
      CREATE TRIGGER hearth_notify AFTER INSERT ON ${this.#name}
        FOR EACH STATEMENT EXECUTE FUNCTION "${this.#schema}".hearth_notify();
    `);
  }

  /** What a notification of this table says. */
  get message(): string {
    return `${this.#schema}.${this.#table}`;
  }

  /**
   * Takes rows that are due, the longest due first; those that others are taking are passed over.
   * @param bytesMax of their bodies together; the first is taken even if it is larger.
   * @param held leases under which the caller still runs rows, which it does not take from itself when it was late to renew.
   */
  async take(
    count: number,
    bytesMax: number,
    attemptsMax: number,
    lease: string,
    held: readonly string[],
  ): Promise<TakenRow[]> {
    await this.#pool.query(
      `UPDATE ${this.#name} SET dead_at = now(), lease = NULL, last_error = coalesce(last_error, $2)
       WHERE id IN (SELECT id FROM ${this.#name} WHERE dead_at IS NULL AND due_at <= now() AND attempts >= $1
                      AND (lease = ANY($3::uuid[])) IS NOT TRUE FOR UPDATE SKIP LOCKED)`,
      [attemptsMax, CUT_OFF, held],
    );
    const { rows } = await this.#pool.query<TakenRow>(
      `WITH due AS MATERIALIZED (
         SELECT id, due_at, octet_length(body::text) AS bytes FROM ${this.#name}
         WHERE dead_at IS NULL AND due_at <= now() AND (lease = ANY($5::uuid[])) IS NOT TRUE ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED),
       sums AS (SELECT id, bytes, sum(bytes) OVER (ORDER BY due_at, id) AS sum FROM due)
       UPDATE ${this.#name} AS t SET attempts = attempts + 1, lease = $2, due_at = now() + make_interval(secs => $3)
       FROM sums WHERE t.id = sums.id AND (sums.sum <= $4 OR sums.sum = sums.bytes)
       RETURNING t.id::text AS id, CASE WHEN sums.bytes <= $4 THEN t.body::text END AS body, t.attempts,
         (extract(epoch FROM t.created_at) * 1000)::float8 AS "createdMs"`,
      [count, lease, LEASE_MS / 1000, bytesMax, held],
    );
    return rows.sort((a, b) => a.createdMs - b.createdMs || Number(BigInt(a.id) - BigInt(b.id)));
  }

  /** Milliseconds until the next row is due, 0 at least; undefined: there is none. @param held as for `take`. */
  async untilDueMs(held: readonly string[]): Promise<number | undefined> {
    const { rows } = await this.#pool.query(
      `SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::float8 AS ms FROM ${this.#name}
       WHERE dead_at IS NULL AND (lease = ANY($1::uuid[])) IS NOT TRUE`,
      [held],
    );
    const ms = rows[0]?.ms as number | null;
    return ms === null ? undefined : Math.max(0, Math.ceil(ms));
  }

  /** @param held rows by their lease. */
  async renew(held: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const pairs = [...held].flatMap(([lease, ids]) => ids.map((id) => [id, lease] as const));
    if (pairs.length === 0) return;
    await this.#pool.query(
      `UPDATE ${this.#name} AS t SET due_at = now() + make_interval(secs => $3)
       FROM unnest($1::bigint[], $2::uuid[]) AS held (id, lease) WHERE t.id = held.id AND t.lease = held.lease`,
      [pairs.map(([id]) => id), pairs.map(([, lease]) => lease), LEASE_MS / 1000],
    );
  }

  /** @returns how many were still held under this lease. */
  async finish(ids: readonly string[], lease: string): Promise<number> {
    const { rowCount } = await this.#pool.query(`DELETE FROM ${this.#name} WHERE id = ANY($1) AND lease = $2`, [
      ids,
      lease,
    ]);
    return rowCount ?? 0;
  }

  async fail(ids: readonly string[], lease: string, why: string, attemptsMax: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `UPDATE ${this.#name} SET lease = NULL, last_error = $3,
         due_at = now() + make_interval(secs => least($4 * 2.0 ^ least(attempts - 1, 30), $5)),
         dead_at = CASE WHEN attempts >= $6 THEN now() END
       WHERE id = ANY($1) AND lease = $2`,
      [ids, lease, why.slice(0, ERROR_LENGTH_MAX).replaceAll("\0", ""), RETRY_S, RETRY_S_MAX, attemptsMax],
    );
    return rowCount ?? 0;
  }

  /** Gives back what was not run: it was no attempt. */
  async release(ids: readonly string[], lease: string): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `UPDATE ${this.#name} SET lease = NULL, attempts = attempts - 1, due_at = now() WHERE id = ANY($1) AND lease = $2`,
      [ids, lease],
    );
    return rowCount ?? 0;
  }

  async counts(): Promise<TableCounts> {
    const { rows } = await this.#pool.query<TableCounts>(
      `SELECT count(*) FILTER (WHERE dead_at IS NULL AND due_at <= now())::float8 AS waiting,
         count(*) FILTER (WHERE dead_at IS NULL AND due_at > now() AND lease IS NULL)::float8 AS delayed,
         count(*) FILTER (WHERE dead_at IS NULL AND due_at > now() AND lease IS NOT NULL)::float8 AS running,
         count(*) FILTER (WHERE dead_at IS NOT NULL)::float8 AS dead
       FROM ${this.#name}`,
    );
    return rows[0] as TableCounts;
  }

  /** The latest first. */
  async dead(count: number): Promise<DeadRow[]> {
    const { rows } = await this.#pool.query<DeadRow>(
      `SELECT id::text AS id, attempts, coalesce(last_error, '') AS "lastError", body::text AS body,
         (extract(epoch FROM dead_at) * 1000)::float8 AS "deadMs"
       FROM ${this.#name} WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC LIMIT $1`,
      [count],
    );
    return rows;
  }

  /** @param ids undefined: all that are dead. */
  async revive(ids: readonly string[] | undefined): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `UPDATE ${this.#name} SET dead_at = NULL, attempts = 0, due_at = now()
       WHERE dead_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1))`,
      [ids ?? null],
    );
    return rowCount ?? 0;
  }
}
