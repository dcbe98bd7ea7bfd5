import type { AccountId } from "../../model/ids.ts";
import type { AdminView, MetricsSource } from "../../ports/admin.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, answering, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson, sendText } from "./answer.ts";
import { LogRoute } from "./log-route.ts";

/** An account's name: for people, not an id. */
const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/;

/**
 * Registers health, metrics and everything under `/_hearth/`: what an operator sees and does.
 * All answer only the default account, which is the operator's, but `/healthz` (anybody) and logs (each account its own).
 *
 * @returns close: ends the answers that follow a log, which would keep the HTTP server from closing.
 */
export function addAdminRoutes(options: {
  addRoute: AddRoute;
  view: AdminView;
  logs: Pick<LogStore, "tail" | "follow">;
  metrics: MetricsSource;
}): () => void {
  const { addRoute, view, metrics } = options;
  const logRoute = new LogRoute(options.logs);
  const forOperator: AddRoute = (method, path, handler) =>
    addRoute(method, path, (request) => forOperatorOnly(request, handler));

  addRoute("GET", "/healthz", ({ res }) => sendText(res, 200, "text/plain; charset=utf-8", "ok\n"));
  forOperator("GET", "/metrics", async ({ res }) => sendText(res, 200, metrics.contentType, await metrics.scrape()));
  forOperator("GET", "/_hearth/status", ({ res }) => sendJson(res, 200, view.status()));
  forOperator("GET", "/_hearth/pools", ({ res }) => sendJson(res, 200, view.pools()));
  addRoute("GET", "/_hearth/logs/:name", (request) => answering(request, (own) => logRoute.handle(own)));
  forOperator("GET", "/_hearth/accounts", async ({ res }) =>
    sendJson(res, 200, { accounts: await view.listAccounts() }),
  );
  forOperator("POST", "/_hearth/accounts", (request) => createAccount(view, request));
  forOperator("POST", "/_hearth/accounts/:id/keys", (request) => createAccessKey(view, request));
  return () => logRoute.close();
}

async function createAccount(view: AdminView, { res, body }: AdminRequest): Promise<void> {
  const name = nameIn(body);
  if (name === undefined) {
    const says = 'The body must be {"name": "…"}: 1 to 64 letters, digits, spaces, dots, dashes or underscores.';
    return sendError(res, 400, "InvalidParameterValueException", says);
  }
  sendJson(res, 201, await view.createAccount(name));
}

function nameIn(body: Buffer): string | undefined {
  try {
    const { name } = JSON.parse(body.toString()) as { name?: unknown };
    return typeof name === "string" && ACCOUNT_NAME.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

async function createAccessKey(view: AdminView, { res, params }: AdminRequest): Promise<void> {
  const accountId = params["id"] ?? "";
  const key = await view.createAccessKey(accountId as AccountId);
  if (key !== undefined) return sendJson(res, 201, key);
  sendError(res, 404, "ResourceNotFoundException", `There is no account ${accountId}.`);
}
