import type { ServerResponse } from "node:http";
import type { TableSourceAnswer, TableSources } from "../../ports/table-source.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, type AdminHandler, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";
import { jsonIn } from "./json-body.ts";
import { parseRevive, parseSource } from "./source-input.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** Dead rows that are shown, if not said otherwise, and at most. */
const DEAD_SHOWN = 20;
const DEAD_SHOWN_MAX = 1_000;

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
  const json = jsonIn(body);
  if (json === undefined) {
    const like = '{"url": "postgres://…", "table": "jobs", "functionName": "work"}';
    return refuse(res, `The body is not JSON. Write it like ${like}.`);
  }
  const parsed = parseSource(json.value);
  if (parsed.kind === "refused") return refuse(res, parsed.message);
  send(res, name, await sources.put(name, parsed.settings));
}

async function look(sources: TableSources, { req, res, params }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  const dead = new URL(req.url ?? "/", "http://server").searchParams.get("dead") ?? String(DEAD_SHOWN);
  if (!/^\d{1,4}$/.test(dead) || Number(dead) > DEAD_SHOWN_MAX) {
    return refuse(res, `dead: "${dead.slice(0, 20)}" is no count; give 0 to ${DEAD_SHOWN_MAX}.`);
  }
  send(res, name, await sources.look(name, Number(dead)));
}

async function revive(sources: TableSources, { res, params, body }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  const json = body.length === 0 ? { value: {} } : jsonIn(body);
  if (json === undefined) return refuse(res, 'The body is not JSON. Write it like {"ids": ["7"]}, or leave it out.');
  const parsed = parseRevive(json.value);
  if (parsed.kind === "refused") return refuse(res, parsed.message);
  const answer = await sources.revive(name, parsed.ids);
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

function refuse(res: ServerResponse, says: string): void {
  sendError(res, 400, "InvalidParameterValueException", says);
}

function missing(res: ServerResponse, name: string): void {
  sendError(res, 404, "ResourceNotFoundException", `There is no source ${name}.`);
}
