import { type AccountId, DEFAULT_ACCOUNT_ID, type InvocationId } from "../../model/ids.ts";
import type { CapacityAnswer } from "../../ports/capacity-document.ts";
import type { AccountCapacity, CapacityView } from "../../ports/capacity-view.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, answering, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";
import { parseCapacity } from "./capacity-input.ts";
import { capacityDocumentOf } from "./capacity-output.ts";
import { costsRange, summed } from "./costs-input.ts";
import { jsonIn } from "./json-body.ts";

/** Who changed settings without signing: somebody on the server's own machine. */
const UNSIGNED = "unsigned";
/** Waiting invocations that one answer shows. */
const WAITS_SHOWN_MAX = 1000;

/**
 * Registers what an operator says about accounts' capacity and sees of it. Accounts see their own waits, explanations
 * and costs, and nobody else's.
 */
export function addCapacityRoutes({ addRoute, view }: { addRoute: AddRoute; view: CapacityView }): void {
  const path = "/_hearth/accounts/:id/capacity";
  addRoute("GET", path, (request) => forOperatorOnly(request, () => showCapacity(view, request)));
  addRoute("PUT", path, (request) => forOperatorOnly(request, () => setCapacity(view, request)));
  addRoute("GET", "/_hearth/waits", (request) => answering(request, () => showWaits(view, request)));
  addRoute("GET", "/_hearth/explain/:id", (request) => answering(request, () => explain(view, request)));
  addRoute("GET", "/_hearth/costs", (request) => answering(request, () => showCosts(view, request)));
}

async function showCapacity(view: CapacityView, { res, params }: AdminRequest): Promise<void> {
  const accountId = (params["id"] ?? "") as AccountId;
  const found = await view.capacityOf(accountId);
  if (found === undefined) return noAccount({ res }, accountId);
  sendJson(res, 200, answerOf(accountId, found));
}

async function setCapacity(view: CapacityView, request: AdminRequest): Promise<void> {
  const { res, params, body, principal } = request;
  const accountId = (params["id"] ?? "") as AccountId;
  const json = jsonIn(body);
  if (json === undefined) return invalid(res, 'The body is not JSON. Write it like {"class": "variable"}.');
  const parsed = parseCapacity(json.value);
  if (parsed.kind === "refused") return invalid(res, parsed.message);
  const isSet = await view.setCapacity(accountId, parsed.settings, principal.accessKeyId ?? UNSIGNED);
  if (!isSet) return noAccount({ res }, accountId);
  return showCapacity(view, request);
}

function answerOf(accountId: AccountId, { capacity, changes }: AccountCapacity): CapacityAnswer {
  return {
    accountId,
    capacity: capacityDocumentOf(capacity),
    changes: changes.map(({ changedMs, changedBy, before, after }) => ({
      changedMs,
      changedBy,
      before: capacityDocumentOf(before),
      after: capacityDocumentOf(after),
    })),
  };
}

async function showWaits(view: CapacityView, request: AdminRequest): Promise<void> {
  const query = queryOf(request);
  const scope = await scopeOf(view, request, query);
  if (scope === "refused") return;
  const limit = query.get("limit") ?? String(WAITS_SHOWN_MAX);
  if (!/^\d{1,4}$/.test(limit) || Number(limit) > WAITS_SHOWN_MAX) {
    return invalid(request.res, `limit: "${limit.slice(0, 20)}" is no count; give 0 to ${WAITS_SHOWN_MAX}.`);
  }
  sendJson(request.res, 200, view.waits(scope.accountId, Number(limit)));
}

function explain(view: CapacityView, { res, params, principal }: AdminRequest): void {
  const id = (params["id"] ?? "") as InvocationId;
  const found = view.explain(id);
  // Another's invocation is as unknown as one that never was.
  const isOwn = found !== undefined && (found.accountId === principal.accountId || isOperator(principal.accountId));
  if (isOwn) return sendJson(res, 200, found);
  const says = "The latest 20,000 are known, and none from before the server started.";
  sendError(res, 404, "ResourceNotFoundException", `Nothing is known of an invocation ${id.slice(0, 64)}. ${says}`);
}

async function showCosts(view: CapacityView, request: AdminRequest): Promise<void> {
  const query = queryOf(request);
  const scope = await scopeOf(view, request, query);
  if (scope === "refused") return;
  const range = costsRange(query, Date.now());
  if (typeof range === "string") return invalid(request.res, range);
  const { from, to, isByDay } = range;
  const rows = await view.costs(scope.accountId, from, to);
  const fixedUsdPerGiBHour = view.fixedUsdPerGiBHour();
  sendJson(request.res, 200, {
    from,
    to,
    ...(fixedUsdPerGiBHour === undefined ? {} : { fixedUsdPerGiBHour }),
    ...summed(rows, isByDay),
  });
}

/** Whom the answer is about: the operator names anybody or gets all, others get themselves. Has answered if refused. */
async function scopeOf(
  view: CapacityView,
  { res, principal }: AdminRequest,
  query: URLSearchParams,
): Promise<{ readonly accountId: AccountId | undefined } | "refused"> {
  const named = (query.get("account") ?? undefined) as AccountId | undefined;
  if (isOperator(principal.accountId)) {
    if (named === undefined || (await view.capacityOf(named)) !== undefined) return { accountId: named };
    // Nothing waits and costs for it, which would be the answer about an account that is misspelt, too.
    noAccount({ res }, named);
    return "refused";
  }
  if (named === undefined || named === principal.accountId) return { accountId: principal.accountId };
  sendError(res, 403, "AccessDeniedException", "Only the operator sees other accounts.");
  return "refused";
}

function isOperator(accountId: AccountId): boolean {
  return accountId === DEFAULT_ACCOUNT_ID;
}

function queryOf({ req }: AdminRequest): URLSearchParams {
  return new URL(req.url ?? "/", "http://server").searchParams;
}

function invalid(res: AdminRequest["res"], message: string): void {
  sendError(res, 400, "InvalidParameterValueException", message);
}

function noAccount({ res }: Pick<AdminRequest, "res">, accountId: string): void {
  sendError(res, 404, "ResourceNotFoundException", `There is no account ${accountId.slice(0, 64)}.`);
}
