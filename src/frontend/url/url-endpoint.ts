import type { IncomingMessage } from "node:http";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { InvocationId } from "../../model/ids.ts";
import type { AccessRequest } from "../../model/resource-policy.ts";
import type { Clock } from "../../ports/clock.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { FunctionUrl, FunctionUrls, InvokeMode } from "../../ports/function-urls.ts";
import type { InvokeAnswer, InvokeRequest, Invoker } from "../../ports/invoker.ts";
import type { ResourcePolicies } from "../../ports/resource-policies.ts";
import type { HttpServer, Principal, RouteRequest, Site } from "../http-server.ts";
import { PAYLOAD_BYTES_MAX } from "../lambda/invoke-route.ts";
import { LambdaError, lambdaErrorOf, tooLarge } from "../lambda/lambda-error.ts";
import { newTraceId, traceIdOf, traceStateOf } from "../lambda/trace-id.ts";
import { isPreflight, preflightHeaders } from "./cors-headers.ts";
import { isUrlId, type UrlAddress, type UrlPlace } from "./url-address.ts";
import { urlEvent } from "./url-event.ts";
import { UrlReply } from "./url-reply.ts";
import { urlResponse } from "./url-response.ts";
import { UrlStream } from "./url-stream.ts";

const FORBIDDEN =
  "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

export type UrlEndpointOptions = {
  readonly server: Pick<HttpServer, "authenticate">;
  readonly address: UrlAddress;
  readonly urls: FunctionUrls;
  readonly catalog: Pick<FunctionCatalog, "resolve">;
  readonly policies: Pick<ResourcePolicies, "allows">;
  readonly invoker: Invoker;
  readonly clock: Clock;
  /** Whether spans are recorded; undefined: they are not. */
  readonly isTraced?: boolean;
};

/** Serves functions to whoever sends HTTP requests to their URLs: strangers, unless a URL wants signatures. */
export class UrlEndpoint implements Site {
  readonly #options: UrlEndpointOptions;

  constructor(options: UrlEndpointOptions) {
    this.#options = options;
  }

  claims(req: IncomingMessage, path: string): boolean {
    return this.#options.address.placeOf(req, path) !== undefined;
  }

  bodyLimit() {
    return { bytesMax: PAYLOAD_BYTES_MAX, error: requestTooLarge };
  }

  serve(request: RouteRequest): void {
    const place = this.#options.address.placeOf(request.req, request.path) as UrlPlace;
    const url = isUrlId(place.id) ? this.#options.urls.find(place.id) : undefined;
    const reply = new UrlReply(request, url, place.isByPath);
    if (url === undefined) return reply.sendError(new LambdaError("AccessDeniedException", 403, ""), null);
    const { headers, method } = request.req;
    if (url.cors !== undefined && isPreflight(method, headers)) {
      return reply.sendHeaders(200, preflightHeaders(url.cors, headers.origin));
    }
    const caller = this.#admit(request, url);
    if (caller instanceof LambdaError) return reply.sendError(caller);
    const version = this.#options.catalog.resolve(url.accountId, url.name, url.qualifier);
    if (version === undefined) return reply.sendBadGateway();
    const invocation = this.#invocationOf(request, place, url, version, caller);
    if (invocation.payload.length > PAYLOAD_BYTES_MAX) return reply.sendError(requestTooLarge());
    reply.traceId = invocation.traceId;
    this.#invoke(request, reply, invocation, url.invokeMode);
  }

  #invoke({ res }: RouteRequest, reply: UrlReply, invocation: InvokeRequest, mode: InvokeMode): void {
    const whole = (answer: InvokeAnswer) => answerWhole(reply, answer);
    const stream = mode === "RESPONSE_STREAM" ? new UrlStream(reply, whole) : undefined;
    const cancel = this.#options.invoker.invoke({ ...invocation, sink: stream }, (answer) => {
      if (res.destroyed) return;
      if (stream === undefined) whole(answer);
      else stream.end(answer);
    });
    res.on("close", () => {
      if (!res.writableFinished) cancel();
    });
  }

  /** @returns who signed, or undefined where nobody had to; or why the request is refused. */
  #admit(request: RouteRequest, url: FunctionUrl): Principal | undefined | LambdaError {
    const forbidden = new LambdaError("AccessDeniedException", 403, FORBIDDEN);
    if (url.authType === "NONE") return this.#isAllowed(url, { kind: "anyone" }) ? undefined : forbidden;
    if (!isSigned(request)) return forbidden;
    let principal: Principal;
    try {
      principal = this.#options.server.authenticate(request);
    } catch (error) {
      if (error instanceof LambdaError) return error;
      throw error;
    }
    const { accountId } = principal;
    const isAdmitted = accountId === url.accountId || this.#isAllowed(url, { kind: "account", accountId });
    return isAdmitted ? principal : forbidden;
  }

  /** Two permissions are wanted: to use the URL, and to invoke the function by it (since October 2025). */
  #isAllowed(url: FunctionUrl, by: AccessRequest["by"]): boolean {
    const { policies } = this.#options;
    const actions = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];
    return actions.every((action) => policies.allows(url, { action, by, functionUrlAuthType: url.authType }));
  }

  #invocationOf(
    { req, body, requestId, rawQuery }: RouteRequest,
    { path }: UrlPlace,
    url: FunctionUrl,
    version: FunctionVersion,
    caller: Principal | undefined,
  ): InvokeRequest {
    const { address, clock, isTraced } = this.#options;
    const nowMs = clock.nowMs();
    const traceId = traceIdOf(req.headers) ?? newTraceId(nowMs, isTraced);
    const domainName = address.hostName(url.id);
    const signer = caller && { accountId: caller.accountId, accessKeyId: caller.accessKeyId ?? "" };
    const parts = { req, path, rawQuery, body, requestId, traceId, nowMs, domainName, urlId: url.id, caller: signer };
    return {
      id: requestId as InvocationId,
      version,
      payload: Buffer.from(JSON.stringify(urlEvent(parts))),
      invokedArn: url.qualifier === undefined ? version.arn : `${version.arn}:${url.qualifier}`,
      clientContext: undefined,
      traceId,
      traceState: isTraced ? traceStateOf(req.headers) : undefined,
      logTail: false,
      trigger: "http",
    };
  }
}

function isSigned({ req, rawQuery }: RouteRequest): boolean {
  return req.headers.authorization !== undefined || rawQuery.includes("X-Amz-Signature=");
}

function requestTooLarge(): LambdaError {
  return tooLarge("Request Entity Too Large");
}

/** Answers with what the function returned. An execution that failed is told to nobody but its log. */
function answerWhole(reply: UrlReply, answer: InvokeAnswer): void {
  if (answer.kind === "rejected") return reply.sendError(lambdaErrorOf(answer.code));
  if (answer.outcome !== "ok") return reply.sendBadGateway();
  const response = urlResponse(answer.payload);
  if (response === undefined) reply.sendBadGateway();
  else reply.send(response);
}
