import type { IncomingMessage } from "node:http";
import type { ErrorForm, HttpServer } from "../http-server.ts";
import { LambdaError } from "../lambda/lambda-error.ts";
import { beginJsonError, type JsonService, serveJson } from "./json-service.ts";
import { beginXmlError, type QueryService, serveQuery } from "./query-service.ts";

export type SharedServices = {
  readonly logs: JsonService;
  readonly sts: QueryService;
  readonly iam: QueryService;
};

/** More than the longest policy document that IAM takes, as a form encodes it. */
const BODY_BYTES_MAX = 512 * 1024;

/**
 * Adds the services that share Lambda's address, so that one endpoint serves a client's every call. None of them has paths:
 * AWS's JSON protocol names service and operation in a header, its query protocol in the body. What is signed must be
 * signed for the service that is asked.
 */
export function addServiceRoutes(server: HttpServer, { logs, sts, iam }: SharedServices): void {
  const tooLarge = () =>
    new LambdaError("RequestEntityTooLarge", 413, `A request has at most ${BODY_BYTES_MAX} bytes.`);
  server.addRoute(
    "POST",
    "/",
    (request) => {
      const target = targetOf(request.req);
      if (target === undefined) return serveQuery([sts, iam], request);
      if (target === logs.target) return serveJson(logs, request);
      throw new LambdaError("UnknownOperationException", 404, `There is no service ${target} here.`);
    },
    {
      services: (request) => (targetOf(request) === undefined ? ["sts", "iam"] : ["logs"]),
      errorForm: errorFormOf,
      bodyLimit: () => ({ bytesMax: BODY_BYTES_MAX, error: tooLarge }),
    },
  );
}

const errorFormOf: ErrorForm = (response, requestId, error) => {
  const begin = targetOf(response.req) === undefined ? beginXmlError : beginJsonError;
  return begin(response, requestId, error);
};

/** The service that a request's header names, `Logs_20140328`. undefined: it is of the query protocol, which has no such header. */
function targetOf({ headers }: IncomingMessage): string | undefined {
  const target = headers["x-amz-target"];
  return target === undefined ? undefined : String(target).split(".")[0];
}
