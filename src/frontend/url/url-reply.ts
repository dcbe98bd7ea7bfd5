import type { FunctionUrl } from "../../ports/function-urls.ts";
import type { RouteRequest } from "../http-server.ts";
import type { LambdaError } from "../lambda/lambda-error.ts";
import { underCors } from "./cors-headers.ts";
import type { UrlResponse } from "./url-response.ts";

/**
 * A page that a function serves by path has the origin of this server's own API, which trusts its own pages on
 * loopback. The browser is told to give it an origin of its own.
 */
const APART_FROM_THE_API = "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts";
const BAD_GATEWAY = Buffer.from("Internal Server Error");
const NO_BODY: ReadonlySet<number> = new Set([204, 304]);

/** The answer to one request to a URL. */
export class UrlReply {
  readonly #request: RouteRequest;
  readonly #url: FunctionUrl | undefined;
  readonly #isByPath: boolean;
  traceId: string | undefined;

  constructor(request: RouteRequest, url: FunctionUrl | undefined, isByPath: boolean) {
    this.#request = request;
    this.#url = url;
    this.#isByPath = isByPath;
  }

  /** What the function says. */
  send({ status, headers, cookies, body }: UrlResponse): void {
    const hasBody = !NO_BODY.has(status);
    const length = hasBody ? [["content-length", String(body.length)] as const] : [];
    this.begin(status, [...headers, ...length], cookies);
    this.#request.res.end(hasBody ? body : undefined);
  }

  /** Writes the head; the body is to follow. */
  begin(status: number, headers: Iterable<readonly [string, string]>, cookies: readonly string[]): void {
    const cors = this.#url?.cors;
    const own = new Map(headers);
    this.#begin(status, cors === undefined ? own : underCors(own, cors, this.#request.req.headers.origin), cookies);
  }

  #begin(status: number, headers: ReadonlyMap<string, string>, cookies: readonly string[]): void {
    const { res, requestId } = this.#request;
    const flat = [...headers].flat();
    for (const cookie of cookies) flat.push("set-cookie", cookie);
    if (this.#isByPath) flat.push("content-security-policy", APART_FROM_THE_API);
    if (this.traceId !== undefined) flat.push("x-amzn-trace-id", this.traceId);
    flat.push("x-amzn-requestid", requestId);
    res.writeHead(status, flat);
  }

  /** Lets the head leave before there is a body. */
  flush(): void {
    this.#request.res.flushHeaders();
  }

  /** @param taken called when it is out of this process's hands. */
  write(bytes: Buffer, taken: () => void): void {
    this.#request.res.write(bytes, () => taken());
  }

  end(): void {
    this.#request.res.end();
  }

  /** What was written is not all: the connection breaks. */
  cutOff(): void {
    this.#request.res.destroy();
  }

  /** The answer to a preflight; no body. */
  sendHeaders(status: number, headers: ReadonlyMap<string, string>): void {
    this.#begin(status, new Map([...headers, ["content-length", "0"]]), []);
    this.#request.res.end();
  }

  /** @param message instead of the error's own. */
  sendError(error: LambdaError, message: string | null = error.message): void {
    const body = Buffer.from(JSON.stringify({ ...error.members, Message: message }));
    const headers = new Map([
      ["content-type", "application/json"],
      ["x-amzn-errortype", error.type],
      ...Object.entries(error.headers),
    ]);
    this.send({ status: error.status, headers, cookies: [], body });
  }

  /** The function failed, or said what HTTP cannot carry. */
  sendBadGateway(): void {
    const headers = new Map([["content-type", "application/json"]]);
    this.send({ status: 502, headers, cookies: [], body: BAD_GATEWAY });
  }
}
