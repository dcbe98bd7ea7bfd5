import type { IncomingMessage } from "node:http";
import type { HttpServer } from "../http-server.ts";
import { LambdaError } from "../lambda/lambda-error.ts";
import { beginJsonError, type JsonService, serveJson } from "./json-service.ts";

/**
 * Adds the services that share Lambda's address, so that one endpoint serves a client's every call. None of them has paths:
 * AWS's JSON protocol names the operation in a header.
 */
export function addServiceRoutes(server: HttpServer, { logs }: { readonly logs: JsonService }): void {
  server.addRoute(
    "POST",
    "/",
    (request) => {
      const target = targetOf(request.req);
      if (target === logs.target) return serveJson(logs, request);
      throw new LambdaError("UnknownOperationException", 404, "No service of this server is asked for.");
    },
    { services: () => ["logs"], errorForm: beginJsonError },
  );
}

/** What a request's target has before the dot; empty: it has none. */
function targetOf({ headers }: IncomingMessage): string {
  return String(headers["x-amz-target"] ?? "").split(".")[0] ?? "";
}
