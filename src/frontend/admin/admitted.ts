import type { ServerResponse } from "node:http";
import { ERROR_CODES, HearthError } from "../../model/error-code.ts";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { AdminRequest } from "./admin-request.ts";
import { sendError } from "./answer.ts";

export type AdminHandler = (request: AdminRequest) => void | Promise<void>;

/** Registers a route; @see HttpServer.addRoute. */
export type AddRoute = (method: "GET" | "POST" | "PUT" | "DELETE", path: string, handler: AdminHandler) => void;

/** Admits the operator only. */
export async function forOperatorOnly(request: AdminRequest, handler: AdminHandler): Promise<void> {
  if (request.principal.accountId === DEFAULT_ACCOUNT_ID) return answering(request, handler);
  sendError(request.res, 403, "AccessDeniedException", "Only the operator's account may use the admin API.");
}

/** A failure of the world becomes an answer: a request is never left hanging. */
export async function answering(request: AdminRequest, handler: AdminHandler): Promise<void> {
  try {
    await handler(request);
  } catch (error) {
    if (request.res.headersSent) request.res.destroy();
    else sendFailure(request.res, error as Error);
  }
}

function sendFailure(res: ServerResponse, error: Error): void {
  if (!(error instanceof HearthError)) return sendError(res, 500, "ServiceException", error.message);
  const { public: type, status } = ERROR_CODES[error.code];
  res.setHeader("x-hearth-error-code", error.code);
  sendError(res, status, type, error.message);
}
