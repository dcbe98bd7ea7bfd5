import type { IncomingMessage } from "node:http";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { InvocationId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { InvokeRequest, Invoker } from "../../ports/invoker.ts";
import type { ResourcePolicies } from "../../ports/resource-policies.ts";
import type { BodyLimit, HttpServer, RouteRequest } from "../http-server.ts";
import { deadlineOf } from "./deadline.ts";
import { functionMissing, NAMESPACED_NAME_LENGTH_MAX, type OwnedTarget, ownedTargetOf } from "./function-name.ts";
import { arnOf } from "./granted.ts";
import { invalidPayloadMessage, sendInvokeAnswer } from "./invoke-answer.ts";
import { invalidParameter, invalidRequestContent, LambdaError, tooLarge } from "./lambda-error.ts";
import { resourceOf } from "./policy-document.ts";
import { StreamedInvokeAnswer } from "./streamed-invoke-answer.ts";
import { newTraceId, traceIdOf, traceStateOf } from "./trace-id.ts";
import { Violations } from "./violation.ts";

const INVOKE = "lambda:InvokeFunction";
/** Lambda's limits of the payload of a call that waits (6 MB), and of one that is queued (1 MB). */
export const PAYLOAD_BYTES_MAX = 6_291_456;
const EVENT_PAYLOAD_BYTES_MAX = 1_048_576;
/** Of its base64 form. */
const CLIENT_CONTEXT_BYTES_MAX = 3583;

export type InvokeRouteOptions = {
  readonly catalog: FunctionCatalog;
  readonly policies: Pick<ResourcePolicies, "allows">;
  readonly invoker: Invoker;
  readonly clock: Clock;
  readonly region: string;
  /** Whether spans are recorded; undefined: they are not. */
  readonly isTraced?: boolean;
};

/** Adds Invoke: the path that the whole product exists for. Nothing in it waits, parses the payload or copies it. */
export function addInvokeRoute(server: HttpServer, options: InvokeRouteOptions): void {
  const operation = new InvokeOperation(options);
  server.addRoute("POST", "/2015-03-31/functions/:FunctionName/invocations", (request) => operation.run(request), {
    bodyLimit: payloadLimit,
  });
  server.addRoute(
    "POST",
    "/2021-11-15/functions/:FunctionName/response-streaming-invocations",
    (request) => operation.stream(request),
    { bodyLimit: () => streamedLimit },
  );
  // InvokeAsync, the older form of a call that is queued.
  const legacy = "/2014-11-13/functions/:FunctionName/invoke-async";
  server.addRoute("POST", legacy, (request) => operation.run(request, "Event"), { bodyLimit: eventLimit });
}

const synchronousLimit = limitOf("InvokeFunction");
const streamedLimit = limitOf("InvokeWithResponseStream");

function limitOf(operation: string): ReturnType<BodyLimit> {
  const message = `Request must be smaller than ${PAYLOAD_BYTES_MAX} bytes for the ${operation} operation`;
  return { bytesMax: PAYLOAD_BYTES_MAX, error: () => tooLarge(message) };
}

const payloadLimit: BodyLimit = (request) => (typeOf(request) === "Event" ? eventLimit(request) : synchronousLimit);

function eventLimit(request: IncomingMessage): ReturnType<BodyLimit> {
  const bytes = request.headers["content-length"] ?? `more than ${EVENT_PAYLOAD_BYTES_MAX}`;
  const message = `${bytes} byte payload is too large for the Event invocation type (limit ${EVENT_PAYLOAD_BYTES_MAX} bytes)`;
  return { bytesMax: EVENT_PAYLOAD_BYTES_MAX, error: () => tooLarge(message) };
}

function typeOf(request: IncomingMessage): string {
  return (request.headers["x-amz-invocation-type"] as string | undefined) ?? "RequestResponse";
}

class InvokeOperation {
  readonly #catalog: FunctionCatalog;
  readonly #policies: Pick<ResourcePolicies, "allows">;
  readonly #invoker: Invoker;
  readonly #clock: Clock;
  readonly #region: string;
  readonly #isTraced: boolean;

  constructor(options: InvokeRouteOptions) {
    this.#catalog = options.catalog;
    this.#policies = options.policies;
    this.#invoker = options.invoker;
    this.#clock = options.clock;
    this.#region = options.region;
    this.#isTraced = options.isTraced ?? false;
  }

  run(request: RouteRequest, type = typeOf(request.req)): void | Promise<void> {
    const logType = request.req.headers["x-amz-log-type"] as string | undefined;
    if (type !== "RequestResponse" || logType !== undefined) checkTypes(type, logType, TYPES);
    const invocation = this.#invocationOf(request, logType);
    if (type === "Event") return this.#enqueue(request, invocation);
    if (type === "DryRun") return sendAccepted(request, 204);
    this.#invoke(request, invocation);
  }

  /** InvokeWithResponseStream. */
  stream(request: RouteRequest): void {
    const { req, res } = request;
    const type = typeOf(req);
    const logType = req.headers["x-amz-log-type"] as string | undefined;
    checkTypes(type, logType, STREAMED_TYPES);
    const invocation = this.#invocationOf(request, logType);
    if (type === "DryRun") return sendAccepted(request, 204);
    const answer = new StreamedInvokeAnswer(res, invocation);
    const cancel = this.#invoker.invoke({ ...invocation, sink: answer }, (ended) => answer.end(ended));
    res.on("close", () => {
      if (!res.writableFinished) cancel();
    });
  }

  #invocationOf(request: RouteRequest, logType: string | undefined): InvokeRequest {
    const { headers } = request.req;
    const target = this.#target(request);
    if (target.accountId !== request.principal.accountId) this.#requireAllowed(request, target);
    const version = this.#resolve(target);
    const deadline = headers["x-hearth-deadline"];
    const isShifted = deadline !== undefined || version.deadlineAfterMs !== undefined;
    return {
      id: request.requestId as InvocationId,
      version,
      payload: request.body,
      invokedArn: target.qualifier === undefined ? version.arn : `${version.arn}:${target.qualifier}`,
      clientContext: clientContextOf(headers["x-amz-client-context"]),
      traceId: traceIdOf(headers) ?? newTraceId(this.#clock.nowMs(), this.#isTraced),
      traceState: this.#isTraced ? traceStateOf(headers) : undefined,
      logTail: logType === "Tail",
      deadlineMs: isShifted ? deadlineOf(deadline, version.deadlineAfterMs, this.#clock.nowMs()) : undefined,
    };
  }

  #invoke({ res }: RouteRequest, invocation: InvokeRequest): void {
    const cancel = this.#invoker.invoke(invocation, (answer) => {
      if (!res.destroyed) sendInvokeAnswer(res, invocation, answer);
    });
    res.on("close", () => {
      if (!res.writableEnded) cancel();
    });
  }

  async #enqueue(request: RouteRequest, invocation: InvokeRequest): Promise<void> {
    if (!isJson(request.body)) throw invalidRequestContent(invalidPayloadMessage(request.body));
    await this.#invoker.enqueue({ ...invocation, payload: owned(invocation.payload) });
    sendAccepted(request, 202);
  }

  #target({ params, query, principal }: RouteRequest): OwnedTarget {
    const asker = { accountId: principal.accountId, region: this.#region };
    return ownedTargetOf(params["FunctionName"] ?? "", query.get("Qualifier"), asker, NAMESPACED_NAME_LENGTH_MAX);
  }

  /** Others than the owner may what the function's policy allows; that there is none looks the same. */
  #requireAllowed({ principal: { accountId } }: RouteRequest, target: OwnedTarget): void {
    const request = { action: INVOKE, by: { kind: "account" as const, accountId } };
    if (this.#policies.allows(target, request)) return;
    const arn = resourceOf(target, this.#region);
    throw new LambdaError(
      "AccessDeniedException",
      403,
      `User: arn:aws:iam::${accountId}:root is not authorized to perform: ${INVOKE} on resource: ${arn} because no resource-based policy allows the ${INVOKE} action`,
    );
  }

  #resolve({ accountId, name, qualifier }: OwnedTarget): FunctionVersion {
    const version = this.#catalog.resolve(accountId, name, qualifier);
    if (version !== undefined) return version;
    if (this.#catalog.isDamaged(accountId, name, qualifier)) {
      throw new LambdaError("InvalidZipFileException", 502, "Lambda could not unzip the deployment package.", {
        Type: "User",
      });
    }
    throw functionMissing(arnOf(this.#region, accountId, name), qualifier);
  }
}

const TYPES = ["Event", "RequestResponse", "DryRun"];
const STREAMED_TYPES = ["RequestResponse", "DryRun"];

function checkTypes(type: string, logType: string | undefined, types: readonly string[]): void {
  const violations = new Violations();
  violations.oneOf(type, "invocationType", types);
  violations.oneOf(logType, "logType", ["None", "Tail"]);
  violations.check();
}

/** A queued payload must not keep the pool alive that a small one is a slice of (64 KiB; Buffer.from would take from it again). */
function owned(payload: Buffer): Buffer {
  if (payload.length === payload.buffer.byteLength) return payload;
  const copy = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(copy);
  return copy;
}

/** Decoded, if it is the JSON that clients agree on. @throws LambdaError. */
function clientContextOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== "string") return undefined;
  if (header.length > CLIENT_CONTEXT_BYTES_MAX) {
    throw invalidRequestContent(`Client context must be no more than ${CLIENT_CONTEXT_BYTES_MAX} bytes.`);
  }
  const json = Buffer.from(header, "base64");
  if (json.length === 0 || !isJson(json))
    throw invalidParameter("Client context must be a valid Base64-encoded JSON object.");
  return json.toString();
}

function isJson(bytes: Buffer): boolean {
  if (bytes.length === 0) return true;
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}

function sendAccepted({ res, requestId }: RouteRequest, status: 202 | 204): void {
  res.writeHead(
    status,
    status === 202 ? ["Content-Length", "0", "x-amzn-RequestId", requestId] : ["x-amzn-RequestId", requestId],
  );
  res.end();
}
