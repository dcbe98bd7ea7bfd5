import type { Client, ClientConfig, Pool } from "pg";

const CONNECT_MS_MAX = 10_000;
const STATEMENT_MS_MAX = 30_000;
/** Statements are short; runs hold no connection. */
const CONNECTIONS_MAX = 4;
/** Of a server that does not answer any more. */
const CLOSE_MS_MAX = 2_000;

type Place = { readonly name: string; readonly url: string };

/** Connections for statements, made when they are needed; pg's code is loaded when the first is asked for. */
export async function openPool(place: Place): Promise<Pool> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ ...configOf(place), max: CONNECTIONS_MAX });
  // Of a connection that nobody uses; the next statement gets another one, or says why not.
  pool.on("error", () => {});
  return pool;
}

/** For `connect`. */
export async function openClient(place: Place): Promise<Client> {
  const { default: pg } = await import("pg");
  return new pg.Client(configOf(place));
}

export async function closePool(pool: Pool): Promise<void> {
  await closedWithin(pool.end());
}

export async function closeClient(client: Client | undefined): Promise<void> {
  if (client === undefined) return;
  client
    .removeAllListeners("end")
    .removeAllListeners("error")
    .on("error", () => {});
  await closedWithin(client.end());
}

function configOf({ name, url }: Place): ClientConfig {
  return {
    connectionString: url,
    application_name: `hearth ${name}`,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX,
    keepAlive: true,
  };
}

/** Why a statement or a connection failed, in one line. */
export function problemOf(error: unknown): string {
  // Of several addresses, all of which failed.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const { message, code } = first as Error & { code?: string };
  return `PostgreSQL: ${message || code || "unknown failure"}`.slice(0, 500);
}

/** Waits for an end, but not for a server that does not answer any more. */
export async function closedWithin(closing: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS_MAX);
  });
  await Promise.race([closing.catch(() => {}), limit]);
  clearTimeout(timer);
}
