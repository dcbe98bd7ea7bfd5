import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";

/** What of a request to a URL its event is made of. */
export type UrlRequest = {
  readonly req: IncomingMessage;
  /** As on the wire, below the URL. */
  readonly path: string;
  readonly rawQuery: string;
  readonly body: Buffer;
  readonly requestId: string;
  readonly traceId: string;
  readonly nowMs: number;
  readonly urlId: string;
  readonly domainName: string;
  /** Who signed it; undefined: nobody had to. */
  readonly caller: { readonly accountId: string; readonly accessKeyId: string } | undefined;
};

/** Of one connection only; a proxy answers for its own. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Bodies of these types are given as text, if they are; all others in base64 (as on Lambda, forms too). */
const TEXT_TYPE = /^text\/|json|xml|javascript/;

/** The event of a request: payload format 2.0 of AWS's documentation ("Request payload format", function URLs). */
export function urlEvent(request: UrlRequest): object {
  const { req, path, rawQuery, requestId, urlId, domainName, caller, nowMs } = request;
  const headers = headersOf(request);
  const query = queryOf(rawQuery);
  const cookies = req.headers.cookie?.split(/; */).filter((cookie) => cookie !== "");
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: rawQuery,
    ...(cookies === undefined ? {} : { cookies }),
    headers,
    ...(query === undefined ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: caller?.accountId ?? "anonymous",
      apiId: urlId,
      ...(caller === undefined ? {} : { authentication: null, authorizer: authorizerOf(caller) }),
      domainName,
      domainPrefix: urlId,
      http: {
        method: req.method,
        path,
        protocol: `HTTP/${req.httpVersion}`,
        sourceIp: addressOf(req),
        userAgent: req.headers["user-agent"] ?? "",
      },
      requestId,
      routeKey: "$default",
      stage: "$default",
      time: timeText(nowMs),
      timeEpoch: nowMs,
    },
    ...bodyOf(request),
  };
}

function authorizerOf({ accountId, accessKeyId }: NonNullable<UrlRequest["caller"]>): object {
  return {
    iam: {
      accessKey: accessKeyId,
      accountId,
      callerId: accountId,
      cognitoIdentity: null,
      principalOrgId: null,
      userArn: `arn:aws:iam::${accountId}:root`,
      userId: accountId,
    },
  };
}

/** Lower-case names; what came several times is joined. Cookies are here, too, as on Lambda; the signature was for the URL itself. */
function headersOf({ req, caller, traceId }: UrlRequest): Record<string, string> {
  const named = new Set((req.headers.connection ?? "").toLowerCase().split(/[\s,]+/));
  const headers = new Map<string, string>();
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const name = (req.rawHeaders[index] as string).toLowerCase();
    if (HOP_BY_HOP.has(name) || named.has(name)) continue;
    if (name === "authorization" && caller !== undefined) continue;
    const value = req.rawHeaders[index + 1] as string;
    const before = headers.get(name);
    // RFC 9113, 8.2.3: cookies may come in pieces, and a comma may be part of one.
    const separator = name === "cookie" ? "; " : ",";
    headers.set(name, before === undefined ? value : `${before}${separator}${value}`);
  }
  const forwarded = headers.get("x-forwarded-for");
  headers.set("x-forwarded-for", forwarded === undefined ? addressOf(req) : `${forwarded}, ${addressOf(req)}`);
  headers.set("x-forwarded-proto", headers.get("x-forwarded-proto") ?? "http");
  headers.set("x-forwarded-port", headers.get("x-forwarded-port") ?? String(req.socket.localPort));
  headers.set("x-amzn-trace-id", traceId);
  return Object.fromEntries(headers);
}

function addressOf(req: IncomingMessage): string {
  return (req.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

/** Decoded; what came several times is joined. undefined: there is none. */
function queryOf(rawQuery: string): Record<string, string> | undefined {
  if (rawQuery === "") return undefined;
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(values);
}

function bodyOf({ req, body }: UrlRequest): object {
  if (body.length === 0) return { isBase64Encoded: false };
  const isText = TEXT_TYPE.test((req.headers["content-type"] ?? "").toLowerCase()) && isUtf8(body);
  return { body: body.toString(isText ? "utf8" : "base64"), isBase64Encoded: !isText };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `12/Mar/2020:19:03:58 +0000`. */
function timeText(nowMs: number): string {
  const now = new Date(nowMs);
  const day = String(now.getUTCDate()).padStart(2, "0");
  return `${day}/${MONTHS[now.getUTCMonth()]}/${now.getUTCFullYear()}:${now.toISOString().slice(11, 19)} +0000`;
}
