import type { ServerResponse } from "node:http";
import { z } from "zod";
import type { TableSourceAnswer, TableSourceSettings, TableSources } from "../../ports/table-source.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, type AdminHandler, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** As PostgreSQL has it without quotes. */
const TABLE = /^(?:([a-z_][a-z0-9_]{0,62})\.)?([a-z_][a-z0-9_]{0,62})$/;
const BATCH_SIZE_MAX = 1_000;
const CONCURRENCY_MAX = 100;
const ATTEMPTS_MAX = 1_000;
/** Dead rows that are shown, if not said otherwise, and at most. */
const DEAD_SHOWN = 20;
const DEAD_SHOWN_MAX = 1_000;

const sourceSchema = z.strictObject({
  url: z.string().max(2_000).refine(isPostgres, "must be like postgres://USER:PASSWORD@HOST:5432/DATABASE"),
  table: z.string().regex(TABLE, "must be a table's name, or SCHEMA.TABLE, in lower case"),
  functionName: z.string().regex(/^[a-zA-Z0-9-_]{1,64}$/, "must be a function's name"),
  qualifier: z
    .string()
    .regex(/^(\$LATEST|[a-zA-Z0-9-_]{1,128})$/, "must be a version or an alias")
    .optional(),
  batchSize: z.int().min(1).max(BATCH_SIZE_MAX).default(10),
  concurrencyMax: z.int().min(1).max(CONCURRENCY_MAX).default(5),
  attemptsMax: z.int().min(1).max(ATTEMPTS_MAX).default(5),
  reportsItemFailures: z.boolean().default(false),
});
const reviveSchema = z.strictObject({
  ids: z
    .array(z.string().regex(/^\d{1,18}$/, "must be a row's id"))
    .max(10_000)
    .optional(),
});

/** Registers what the operator does with tables of PostgreSQL that are queues: make, look at, pause, revive, remove. */
export function addSourceRoutes({ addRoute, sources }: { addRoute: AddRoute; sources: TableSources }): void {
  const all = "/_hearth/sources";
  const one = `${all}/:name`;
  const add = (method: Parameters<AddRoute>[0], path: string, handler: AdminHandler) =>
    addRoute(method, path, (request) => forOperatorOnly(request, handler));
  add("GET", all, ({ res }) => sendJson(res, 200, { sources: sources.list() }));
  add("PUT", one, (request) => put(sources, request));
  add("GET", one, (request) => look(sources, request));
  add("POST", `${one}/revive`, (request) => revive(sources, request));
  add("POST", `${one}/pause`, (request) => pause(sources, request, true));
  add("POST", `${one}/resume`, (request) => pause(sources, request, false));
  add("DELETE", one, async ({ res, params }) => {
    const name = params["name"] ?? "";
    if (await sources.delete(name)) sendJson(res, 200, { name });
    else missing(res, name);
  });
}

async function put(sources: TableSources, { res, params, body }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  if (!NAME.test(name)) {
    return refuse(res, "A source's name has 1 to 64 letters, digits, dots, dashes or underscores.");
  }
  const input = parsed(sourceSchema, body, res);
  if (input === undefined) return;
  const [, schema = "public", table = ""] = TABLE.exec(input.table) ?? [];
  const settings: TableSourceSettings = { ...input, qualifier: input.qualifier, schema, table };
  send(res, name, await sources.put(name, settings));
}

async function look(sources: TableSources, { req, res, params }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  const asked = Number(new URL(req.url ?? "/", "http://server").searchParams.get("dead") ?? DEAD_SHOWN);
  if (!Number.isInteger(asked) || asked < 0 || asked > DEAD_SHOWN_MAX) {
    return refuse(res, `dead must be a number from 0 to ${DEAD_SHOWN_MAX}.`);
  }
  send(res, name, await sources.look(name, asked));
}

async function revive(sources: TableSources, { res, params, body }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  const input = parsed(reviveSchema, body.length === 0 ? Buffer.from("{}") : body, res);
  if (input === undefined) return;
  const answer = await sources.revive(name, input.ids);
  send(res, name, answer.kind === "done" ? { kind: "done", value: { revived: answer.value } } : answer);
}

async function pause(sources: TableSources, { res, params }: AdminRequest, isPaused: boolean): Promise<void> {
  const name = params["name"] ?? "";
  const source = await sources.pause(name, isPaused);
  if (source === undefined) missing(res, name);
  else sendJson(res, 200, source);
}

function send(res: ServerResponse, name: string, answer: TableSourceAnswer<object>): void {
  switch (answer.kind) {
    case "done":
      return sendJson(res, 200, answer.value);
    case "missing":
      return missing(res, name);
    case "unusable":
      return refuse(res, answer.says);
    default:
      throw answer satisfies never;
  }
}

/** @returns undefined: it was refused. */
function parsed<T extends z.ZodType>(schema: T, body: Buffer, res: ServerResponse): z.output<T> | undefined {
  const result = schema.safeParse(jsonIn(body));
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`);
  refuse(res, `${faults.slice(0, 5).join("; ")}.`);
  return undefined;
}

function refuse(res: ServerResponse, says: string): void {
  sendError(res, 400, "InvalidParameterValueException", says);
}

function missing(res: ServerResponse, name: string): void {
  sendError(res, 404, "ResourceNotFoundException", `There is no source ${name}.`);
}

function isPostgres(text: string): boolean {
  return URL.canParse(text) && ["postgres:", "postgresql:"].includes(new URL(text).protocol);
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
