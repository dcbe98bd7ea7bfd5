import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import findMyWay from "find-my-way";
import type { AccountId } from "../model/ids.ts";
import type { AccessKeys } from "../ports/access-keys.ts";
import type { Clock } from "../ports/clock.ts";
import { Authenticator, type Identity } from "./auth/authenticator.ts";
import type { BearerToken } from "./auth/bearer-token.ts";
import { createBrowserGuard, isLoopback } from "./auth/browser-guard.ts";
import { asLambdaError, beginError, LambdaError, tooLarge, unknownOperation } from "./lambda/lambda-error.ts";
import { collectBody } from "./request-body.ts";

/** Body of a route that names no limit of its own. */
const BODY_BYTES_MAX_DEFAULT = 1024 * 1024;
/** Bodies of all requests that are not answered yet; beyond it requests with a body are refused with 429. */
const BODY_BYTES_HELD_MAX = 2 * 1024 * 1024 * 1024;
const CONNECTIONS_MAX = 20_000;
/** Idle connections stay open longer than clients keep them, so that the client is the one who closes. */
const KEEP_ALIVE_MS = 75_000;
/** How soon a connection ends after its last answer while the server closes. */
const CLOSING_SWEEP_MS = 50;
/** How long a refused request may go on sending what nobody reads, to be sure that it sees the answer. */
const DISCARD_MS_MAX = 5000;
/** Longest path parameter: an encoded ARN with a qualifier, with room for Lambda's own refusal of longer ones. */
const PATH_PARAMETER_LENGTH_MAX = 1024;

/** Who a request acts for. */
export type Principal = {
  readonly accountId: AccountId;
  /** undefined: nobody signed; trusted because only this machine reaches the server, or for a bearer token. */
  readonly accessKeyId: string | undefined;
};

export type RouteRequest = {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** As on the wire, without the query; and that. */
  readonly path: string;
  readonly rawQuery: string;
  readonly body: Buffer;
  readonly principal: Principal;
  readonly requestId: string;
};

/** Answers a request. What it throws or rejects with becomes an error of the API, in the form of its route. */
export type RouteHandler = (request: RouteRequest) => void | Promise<void>;

export type RouteOptions = {
  /** `open`: anyone who reaches the server, unsigned. Default `account`. */
  readonly access?: "account" | "open";
  /** Whoever sends it needs no signature. undefined: bearer tokens count for nothing. */
  readonly bearerToken?: BearerToken | undefined;
  /** undefined: BODY_BYTES_MAX_DEFAULT. */
  readonly bodyLimit?: BodyLimit;
  /** Services that a request may be signed for, by their names in credentials; asked before the body is read. undefined: Lambda. */
  readonly services?: (request: IncomingMessage) => readonly string[];
  /** undefined: as the Lambda API tells them. */
  readonly errorForm?: ErrorForm;
};

/** Writes the head of an error's answer. @returns the body, still to be written. */
export type ErrorForm = (response: ServerResponse, requestId: string, error: LambdaError) => Buffer;

/** Largest body of a route, and the error of a larger one; asked before the body is read. */
export type BodyLimit = (request: IncomingMessage) => { readonly bytesMax: number; readonly error: () => LambdaError };

/** Something that the server has beside its API, for strangers: it decides itself whom it serves. */
export type Site = {
  /** Whether a request is for it; asked of every request, before anything else. */
  claims(request: IncomingMessage, path: string): boolean;
  readonly bodyLimit: BodyLimit;
  serve: RouteHandler;
};

export type HttpServerOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly region: string;
  readonly accessKeys: AccessKeys;
  readonly clock: Clock;
  /** Of all requests together that are not answered yet; undefined: BODY_BYTES_HELD_MAX. */
  readonly bodyBytesHeldMax?: number;
  /** Told of errors that are no answers: broken assumptions and failures without a code. */
  readonly onError: (error: unknown) => void;
};

export type HttpServer = {
  /** Path in find-my-way's syntax, `/a/:name`; a trailing slash is allowed in requests. */
  addRoute(method: string, path: string, handler: RouteHandler, options?: RouteOptions): void;
  addSite(site: Site): void;
  /**
   * Who signed a request that a site serves.
   * @throws LambdaError when nobody did, or the key is unknown, or the signature does not fit: a site trusts nobody.
   */
  authenticate(request: RouteRequest): Principal;
  /** @throws Error when the address cannot be bound. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes no new connections, lets running requests finish for `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>;
};

type AcceptedIdentity = Exclude<Identity, { readonly kind: "refused" }>;

type Route = {
  readonly handler: RouteHandler;
  readonly isOpen: boolean;
  readonly bearerToken?: BearerToken | undefined;
  readonly bodyLimit: BodyLimit;
  readonly services: (request: IncomingMessage) => readonly string[];
  readonly errorForm: ErrorForm;
};

const LAMBDA = ["lambda"];
const lambdaOnly = () => LAMBDA;

const defaultBodyLimit: BodyLimit = () => ({
  bytesMax: BODY_BYTES_MAX_DEFAULT,
  error: () => tooLarge(`Request must be smaller than ${BODY_BYTES_MAX_DEFAULT} bytes`),
});

/**
 * The server's one HTTP endpoint. What is for a site goes there; any other request passes, in this order: the guard
 * against browsers, the route, the caller's identity as far as the head tells it, the size limit, the body, the signature,
 * the handler. Nothing of a refused request's body is kept.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new LambdaHttpServer(options);
}

class LambdaHttpServer implements HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #router = findMyWay({
    ignoreTrailingSlash: true,
    maxParamLength: PATH_PARAMETER_LENGTH_MAX,
    onBadUrl: () => {},
  });
  readonly #authenticator: Authenticator;
  /** Trusts nobody without a signature. */
  readonly #strictAuthenticator: Authenticator;
  readonly #sites: { readonly site: Site; readonly route: Route }[] = [];
  /** Only a server that trusts unsigned requests needs it. */
  readonly #guard: ReturnType<typeof createBrowserGuard> | undefined;
  #bodyBytesHeld = 0;
  readonly #bodyBytesHeldMax: number;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#bodyBytesHeldMax = options.bodyBytesHeldMax ?? BODY_BYTES_HELD_MAX;
    const isLocal = isLoopback(options.host);
    this.#guard = isLocal ? createBrowserGuard(options.host) : undefined;
    this.#authenticator = new Authenticator({ ...options, isSignatureRequired: !isLocal });
    this.#strictAuthenticator = new Authenticator({ ...options, isSignatureRequired: true });
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("request", (req, res) => this.#begin(req, res, false));
    this.#server.on("checkContinue", (req, res) => this.#begin(req, res, true));
  }

  addRoute(method: string, path: string, handler: RouteHandler, options: RouteOptions = {}): void {
    const route: Route = {
      handler,
      isOpen: options.access === "open",
      bearerToken: options.bearerToken,
      bodyLimit: options.bodyLimit ?? defaultBodyLimit,
      services: options.services ?? lambdaOnly,
      errorForm: options.errorForm ?? beginError,
    };
    this.#router.on(method as findMyWay.HTTPMethod, path, () => {}, route);
  }

  addSite(site: Site): void {
    const { bodyLimit } = site;
    const handler = (request: RouteRequest) => site.serve(request);
    const route = { handler, isOpen: true, bodyLimit, services: lambdaOnly, errorForm: beginError };
    this.#sites.push({ site, route });
  }

  authenticate(request: RouteRequest): Principal {
    const { req, path, rawQuery, body } = request;
    const identity = this.#strictAuthenticator.identify(req, rawQuery, LAMBDA);
    const refused =
      identity.kind === "signed"
        ? this.#strictAuthenticator.verify(identity, req, path, rawQuery, body)
        : identity.kind === "refused"
          ? identity.refusal
          : undefined;
    if (refused !== undefined) throw new LambdaError(refused.type, 403, refused.message);
    const { accountId, key } = identity as Extract<Identity, { kind: "signed" }>;
    return { accountId, accessKeyId: key.accessKeyId };
  }

  listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off("error", reject);
        this.#server.on("error", this.#options.onError);
        resolve({ host, port: (this.#server.address() as AddressInfo).port });
      });
    });
  }

  async close(graceMs: number): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    // Clients keep a connection open after its last answer; it must not hold us up for the whole grace.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), CLOSING_SWEEP_MS);
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(timer);
  }

  #begin(req: IncomingMessage, res: ServerResponse, waitsForContinue: boolean): void {
    const exchange = new Exchange(req, res, waitsForContinue);
    let refused: LambdaError | undefined;
    try {
      refused = this.#admit(exchange);
    } catch (error) {
      refused = this.#answerTo(error);
    }
    if (refused !== undefined) this.#refuse(exchange, refused);
  }

  /** @returns why the request is refused; undefined when it is being served. */
  #admit(exchange: Exchange): LambdaError | undefined {
    const { req, res } = exchange;
    const route = this.#siteOf(exchange) ?? this.#routeOf(exchange);
    if (route instanceof LambdaError) return route;
    exchange.errorForm = route.errorForm;

    const identity: Identity | undefined = route.isOpen
      ? undefined
      : (route.bearerToken?.identify(req.headers) ??
        this.#authenticator.identify(req, exchange.rawQuery, route.services(req)));
    if (identity?.kind === "refused") return new LambdaError(identity.refusal.type, 403, identity.refusal.message);

    const { bytesMax, error } = route.bodyLimit(req);
    const isChunked = req.headers["transfer-encoding"] !== undefined;
    const declaredBytes = isChunked ? 0 : Number(req.headers["content-length"] ?? 0);
    if (declaredBytes > bytesMax) return error();
    if (this.#bodyBytesHeld + declaredBytes > this.#bodyBytesHeldMax) return bodiesHeld();

    if (exchange.isBodyHeldBack) res.writeContinue();
    exchange.isBodyHeldBack = false;
    const reserve = (bytes: number) => this.#hold(exchange, bytes);
    collectBody(req, bytesMax, reserve, (body) => {
      if (body === "tooLarge" || body === "noRoom") {
        return this.#refuse(exchange, body === "tooLarge" ? error() : bodiesHeld());
      }
      exchange.body = body;
      this.#serve(exchange, route, identity);
    });
    return undefined;
  }

  #siteOf({ req, path }: Exchange): Route | undefined {
    for (const { site, route } of this.#sites) if (site.claims(req, path)) return route;
    return undefined;
  }

  /** @returns the error of who must not ask, or asks for what is not there. */
  #routeOf(exchange: Exchange): Route | LambdaError {
    const { req, path } = exchange;
    const blocked = this.#guard?.(req.headers);
    if (blocked !== undefined) return new LambdaError("AccessDeniedException", 403, blocked);
    const found = this.#router.find(req.method as findMyWay.HTTPMethod, path);
    if (found === null || found.store === null) return unknownOperation(req.method ?? "", path);
    exchange.params = found.params;
    return found.store as Route;
  }

  #serve(exchange: Exchange, route: Route, identity: AcceptedIdentity | undefined): void {
    try {
      if (identity !== undefined) exchange.principal = this.#principalOf(exchange, identity);
      const served = route.handler(exchange);
      if (served !== undefined) void this.#follow(exchange, served);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  async #follow(exchange: Exchange, served: Promise<void>): Promise<void> {
    exchange.isServing = true;
    try {
      await served;
    } catch (error) {
      this.#fail(exchange, error);
    } finally {
      exchange.isServing = false;
      this.#release(exchange);
    }
  }

  /** @throws LambdaError when the signature does not fit the request. */
  #principalOf({ req, path, rawQuery, body }: Exchange, identity: AcceptedIdentity): Principal {
    const { accountId } = identity;
    if (identity.kind === "trusted") return { accountId, accessKeyId: undefined };
    const refused = this.#authenticator.verify(identity, req, path, rawQuery, body);
    if (refused !== undefined) throw new LambdaError(refused.type, 403, refused.message);
    return { accountId, accessKeyId: identity.key.accessKeyId };
  }

  /** @returns false: there is no room for so much more. */
  #hold(exchange: Exchange, bytes: number): boolean {
    if (this.#bodyBytesHeld + bytes > this.#bodyBytesHeldMax) return false;
    if (exchange.bodyBytesHeld === 0) exchange.res.on("close", () => this.#release(exchange));
    this.#bodyBytesHeld += bytes;
    exchange.bodyBytesHeld += bytes;
    return true;
  }

  /** A body's memory is free when the answer is out or the caller gone, and its handler has ended: some go on alone. */
  #release(exchange: Exchange): void {
    if (exchange.isServing || !exchange.res.closed) return;
    this.#bodyBytesHeld -= exchange.bodyBytesHeld;
    exchange.bodyBytesHeld = 0;
  }

  /**
   * Answers before the body has been read. What still comes of it is thrown away, for a while, and then
   * the connection ends: a client that is cut off while it sends may never see the answer.
   */
  #refuse(exchange: Exchange, error: LambdaError): void {
    const { req, res } = exchange;
    res.setHeader("Connection", "close");
    res.write(exchange.errorForm(res, exchange.requestId, error));
    const timer = setTimeout(() => req.socket.destroy(), DISCARD_MS_MAX);
    res.on("close", () => clearTimeout(timer));
    if (exchange.isBodyHeldBack) return void res.end();
    req.on("end", () => res.end());
    req.resume();
  }

  #fail(exchange: Exchange, error: unknown): void {
    const answer = this.#answerTo(error);
    if (exchange.res.headersSent) return void exchange.res.destroy();
    exchange.res.end(exchange.errorForm(exchange.res, exchange.requestId, answer));
  }

  /** What the caller is told of an error; the server's own are reported first. */
  #answerTo(error: unknown): LambdaError {
    const answer = asLambdaError(error);
    if (answer === undefined || answer.status >= 500) this.#options.onError(error);
    return answer ?? new LambdaError("ServiceException", 500, "Service error.", { Type: "Service" });
  }
}

function bodiesHeld(): LambdaError {
  const members = { Reason: "CallerRateLimitExceeded", Type: "User" };
  return new LambdaError("TooManyRequestsException", 429, "Rate Exceeded.", members, { "Retry-After": "1" });
}

const EMPTY = Buffer.alloc(0);
const NO_QUERY = new URLSearchParams();
const NOBODY = { accountId: "" as AccountId, accessKeyId: undefined };

/** One request on its way through the server. */
class Exchange implements RouteRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** As on the wire. */
  readonly path: string;
  readonly rawQuery: string;
  readonly requestId: string = randomUUID();
  /** The client sends the body when it is told to continue. */
  isBodyHeldBack: boolean;
  params: Readonly<Record<string, string | undefined>> = {};
  body: Buffer = EMPTY;
  bodyBytesHeld = 0;
  /** Its handler's promise is not settled. */
  isServing = false;
  errorForm: ErrorForm = beginError;
  /** NOBODY on open routes. */
  principal: Principal = NOBODY;
  #query: URLSearchParams | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, isBodyHeldBack: boolean) {
    this.isBodyHeldBack = isBodyHeldBack;
    this.req = req;
    this.res = res;
    const url = req.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.rawQuery = mark === -1 ? "" : url.slice(mark + 1);
  }

  get query(): URLSearchParams {
    this.#query ??= this.rawQuery === "" ? NO_QUERY : new URLSearchParams(this.rawQuery);
    return this.#query;
  }
}
