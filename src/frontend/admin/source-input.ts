import { z } from "zod";
import type { TableSourceSettings } from "../../ports/table-source.ts";
import { faultOf, told, unexplainedIn } from "./document-fault.ts";
import { functionName, qualifier, whole } from "./member-schema.ts";

/** As PostgreSQL has it without quotes. */
const TABLE = /^(?:([a-z_][a-z0-9_]{0,62})\.)?([a-z_][a-z0-9_]{0,62})$/;
const URL_LENGTH_MAX = 2_000;
const BATCH_SIZE_MAX = 1_000;
const CONCURRENCY_MAX = 100;
const ATTEMPTS_MAX = 1_000;
const IDS_MAX = 10_000;

const URL_SAYS = "is no address of a database; write it like postgres://USER:PASSWORD@HOST:5432/DATABASE";
const TABLE_SAYS = "is no table's name; write TABLE or SCHEMA.TABLE, in lower case";
const ID_SAYS = 'is no row\'s id; write its number in quotes, like "7"';

const sourceSchema = z.strictObject(
  {
    url: z
      .string(URL_SAYS)
      .max(URL_LENGTH_MAX, `is too long; an address has at most ${URL_LENGTH_MAX} characters`)
      .refine(isPostgres, URL_SAYS),
    table: z.string(TABLE_SAYS).regex(TABLE, TABLE_SAYS),
    functionName,
    qualifier: qualifier.optional(),
    batchSize: whole("number of rows", 1, BATCH_SIZE_MAX).default(10),
    concurrencyMax: whole("number of invocations at a time", 1, CONCURRENCY_MAX).default(5),
    attemptsMax: whole("number of attempts", 1, ATTEMPTS_MAX).default(5),
    reportsItemFailures: z
      .boolean("is neither true nor false; write true if the function answers batchItemFailures")
      .default(false),
  },
  {
    // Of unknown members the reader is told which.
    error: ({ code }) =>
      code === "unrecognized_keys"
        ? undefined
        : 'is no source; write it like {"url": "postgres://…", "table": "jobs", "functionName": "work"}',
  },
);

const reviveSchema = z.strictObject(
  {
    ids: z
      .array(
        z.string(ID_SAYS).regex(/^\d{1,18}$/, ID_SAYS),
        'is no list; write the ids like ["7"], or leave it out for all',
      )
      .max(IDS_MAX, `has too many ids; ${IDS_MAX} are allowed`)
      .optional(),
  },
  {
    error: ({ code }) =>
      code === "unrecognized_keys" ? undefined : 'names no rows; write it like {"ids": ["7"]}, or {} for all',
  },
);

/** Names every field that is wrong, what is wrong with it, and what to write instead. */
type Refused = { readonly kind: "refused"; readonly message: string };

export type SourceInput = { readonly kind: "settings"; readonly settings: TableSourceSettings } | Refused;

/** @param ids undefined: all rows that are dead. */
export type ReviveInput = { readonly kind: "rows"; readonly ids: readonly string[] | undefined } | Refused;

/** Parses what the operator wants of a table as a source. A refusal has no password. */
export function parseSource(json: unknown): SourceInput {
  const parsed = sourceSchema.safeParse(json, { error: unexplainedIn("docs/event-sources.md") });
  if (!parsed.success) return refused(withoutSecrets(json), parsed.error);
  const { data } = parsed;
  const [, schema = "public", table = ""] = TABLE.exec(data.table) ?? [];
  return { kind: "settings", settings: { ...data, qualifier: data.qualifier, schema, table } };
}

/** Parses which dead rows are to begin anew. */
export function parseRevive(json: unknown): ReviveInput {
  const parsed = reviveSchema.safeParse(json, { error: unexplainedIn("docs/event-sources.md") });
  return parsed.success ? { kind: "rows", ids: parsed.data.ids } : refused(json, parsed.error);
}

function refused(json: unknown, { issues }: z.ZodError): Refused {
  return { kind: "refused", message: told(issues.map((issue) => faultOf(json, issue))) };
}

/** Texts that may be an address, or stand where nothing is known of them, are left out but for the address' scheme. */
function withoutSecrets(json: unknown): unknown {
  const isHarmless = (key: string, text: string) => key !== "url" && key in sourceSchema.shape && !/[:@]/.test(text);
  return JSON.parse(
    JSON.stringify(json, (key, value: unknown) =>
      typeof value !== "string" || isHarmless(key, value) ? value : `${/^[a-z]+:\/\//i.exec(value)?.[0] ?? ""}…`,
    ),
  );
}

function isPostgres(text: string): boolean {
  return URL.canParse(text) && ["postgres:", "postgresql:"].includes(new URL(text).protocol);
}
