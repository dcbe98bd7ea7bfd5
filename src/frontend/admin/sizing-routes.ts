import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { SizingScope } from "../../model/sizing.ts";
import type { SizingAnswer } from "../../ports/sizing-document.ts";
import type { SizingView } from "../../ports/sizing-view.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, answering, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson, sendText } from "./answer.ts";
import { jsonIn } from "./json-body.ts";
import { sizingChart } from "./sizing-chart.ts";
import { parseSizing } from "./sizing-input.ts";

/** Who changed settings without signing: somebody on the server's own machine. */
const UNSIGNED = "unsigned";
/** Functions of one answer. */
const FUNCTIONS_PER_PAGE_MAX = 500;

/**
 * Registers what is seen and said of sizes. An account sees and sets its own functions and its own account; the operator anybody's,
 * and the stop of everything.
 */
export function addSizingRoutes({ addRoute, view }: { addRoute: AddRoute; view: SizingView }): void {
  const own: AddRoute = (method, path, handler) =>
    addRoute(method, path, (request) => answering(request, (admitted) => handler(admitted)));
  own("GET", "/_hearth/sizing", (request) => list(view, request));
  own("GET", "/_hearth/sizing/account", (request) => onScope(request, (scope) => show(view, request, scope)));
  own("PUT", "/_hearth/sizing/account", (request) => onScope(request, (scope) => change(view, request, scope)));
  const one = "/_hearth/sizing/functions/:name";
  own("GET", one, (request) => onScope(request, (scope) => show(view, request, scope)));
  own("PUT", one, (request) => onScope(request, (scope) => change(view, request, scope)));
  own("GET", `${one}/chart.svg`, (request) => onScope(request, (scope) => showChart(view, request, scope)));
  addRoute("PUT", "/_hearth/sizing/stop", (request) => forOperatorOnly(request, () => stop(view, request)));
}

async function list(view: SizingView, request: AdminRequest): Promise<void> {
  const query = queryOf(request);
  const named = (query.get("account") ?? undefined) as AccountId | undefined;
  const { accountId } = request.principal;
  if (!mayAct(request, named ?? accountId)) return refused(request);
  const limit = query.get("limit") ?? String(FUNCTIONS_PER_PAGE_MAX);
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > FUNCTIONS_PER_PAGE_MAX) {
    return invalid(request, `limit: "${limit.slice(0, 20)}" is no count; give 1 to ${FUNCTIONS_PER_PAGE_MAX}.`);
  }
  const whose = accountId === DEFAULT_ACCOUNT_ID ? named : accountId;
  sendJson(request.res, 200, await view.list(whose, query.get("after") ?? undefined, Number(limit)));
}

async function show(view: SizingView, request: AdminRequest, scope: SizingScope): Promise<void> {
  const settings = await view.settingsOf(scope);
  if (settings === undefined) return missing(request, scope);
  const versions = scope.kind === "function" ? view.find(scope.accountId, scope.functionName) : undefined;
  const answer: SizingAnswer = {
    scope,
    isStopped: view.isStopped(),
    ...settings,
    ...(versions === undefined ? {} : { versions }),
  };
  sendJson(request.res, 200, answer);
}

async function change(view: SizingView, request: AdminRequest, scope: SizingScope): Promise<void> {
  const json = jsonIn(request.body);
  if (json === undefined) return invalid(request, 'The body is not JSON. Write it like {"mode": "auto"}.');
  const now = await view.settingsOf(scope);
  if (now === undefined) return missing(request, scope);
  const parsed = parseSizing(json.value, now.inherited);
  if (parsed.kind === "refused") return invalid(request, parsed.message);
  const isSet = await view.setSettings(scope, parsed.said, changedBy(request));
  if (!isSet) return missing(request, scope);
  return show(view, request, scope);
}

function showChart(view: SizingView, request: AdminRequest, scope: SizingScope): void {
  const versions = scope.kind === "function" ? view.find(scope.accountId, scope.functionName) : undefined;
  if (versions === undefined) return missing(request, scope);
  const named = queryOf(request).get("version") ?? versions[0]?.version;
  const version = versions.find((each) => each.version === named);
  if (version !== undefined) return sendText(request.res, 200, "image/svg+xml", sizingChart(version));
  const known = versions.map((each) => each.version).join(", ");
  sendError(
    request.res,
    404,
    "ResourceNotFoundException",
    `Nothing is known of version ${named?.slice(0, 64)}. Known: ${known}.`,
  );
}

async function stop(view: SizingView, request: AdminRequest): Promise<void> {
  const value = jsonIn(request.body)?.value as { isStopped?: unknown } | null | undefined;
  if (typeof value?.isStopped !== "boolean") {
    return invalid(request, 'isStopped: missing; write the body as {"isStopped": true} or {"isStopped": false}.');
  }
  await view.stop(value.isStopped, changedBy(request));
  sendJson(request.res, 200, { isStopped: view.isStopped() });
}

/** Of whom the path and `?account=` speak, if the caller may act for them; else the request has been answered. */
function onScope(request: AdminRequest, act: (scope: SizingScope) => void | Promise<void>): void | Promise<void> {
  const accountId = (queryOf(request).get("account") ?? request.principal.accountId) as AccountId;
  if (!mayAct(request, accountId)) return refused(request);
  const functionName = request.params["name"];
  return act(
    functionName === undefined ? { kind: "account", accountId } : { kind: "function", accountId, functionName },
  );
}

function mayAct({ principal }: AdminRequest, accountId: AccountId): boolean {
  return principal.accountId === DEFAULT_ACCOUNT_ID || principal.accountId === accountId;
}

function changedBy({ principal }: AdminRequest): string {
  return principal.accessKeyId ?? UNSIGNED;
}

function queryOf({ req }: AdminRequest): URLSearchParams {
  return new URL(req.url ?? "/", "http://server").searchParams;
}

function invalid({ res }: AdminRequest, message: string): void {
  sendError(res, 400, "InvalidParameterValueException", message);
}

function refused({ res }: AdminRequest): void {
  sendError(res, 403, "AccessDeniedException", "Only the operator sees and sets other accounts.");
}

function missing({ res }: AdminRequest, scope: SizingScope): void {
  const what =
    scope.kind === "account"
      ? `account ${scope.accountId.slice(0, 64)}`
      : `function ${scope.functionName.slice(0, 64)} in account ${scope.accountId.slice(0, 64)}`;
  sendError(res, 404, "ResourceNotFoundException", `There is no ${what}.`);
}
