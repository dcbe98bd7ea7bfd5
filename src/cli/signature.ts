import { createHash, createHmac } from "node:crypto";

export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

const SERVICE = "lambda";

export type UnsignedRequest = {
  readonly method: string;
  readonly host: string;
  /** As it goes over the wire, percent-encoded once, with its query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/**
 * All headers of a request, signed by AWS Signature Version 4 ("Create a signed AWS API request", IAM
 * User Guide). Every header is signed: AWS demands it of `host` and of all that begin with `x-amz-`.
 */
export function signedHeaders(
  request: UnsignedRequest,
  credentials: Credentials,
  region: string,
  nowMs: number,
): Record<string, string> {
  const date = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${date.slice(0, 8)}/${region}/${SERVICE}/aws4_request`;
  const bodyHash = sha256Hex(request.body);
  const own = { host: request.host, "x-amz-content-sha256": bodyHash, "x-amz-date": date };
  const headers: Record<string, string> = { ...request.headers, ...own };
  const sorted = Object.keys(headers).sort();
  const names = sorted.join(";");
  const [path = "/", query = ""] = request.path.split("?");
  const canonicalRequest = [
    request.method,
    path.split("/").map(encode).join("/"),
    canonicalQuery(query),
    ...sorted.map((name) => `${name}:${headers[name]}`),
    "",
    names,
    bodyHash,
  ].join("\n");
  const stringToSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(canonicalRequest)}`;
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, stringToSign).toString("hex");
  const credential = `${credentials.accessKeyId}/${scope}`;
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

/** Sorted by name, then by value: sorting the joined pairs would set `a b=` before `a=`. */
function canonicalQuery(query: string): string {
  const before = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...new URLSearchParams(query)]
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => before(a, b) || before(x, y))
    .map((pair) => pair.join("="))
    .join("&");
}

/** RFC 3986: everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256Hex(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
