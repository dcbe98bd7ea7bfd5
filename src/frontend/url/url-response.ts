/** What a URL answers. */
export type UrlResponse = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly cookies: readonly string[];
  readonly body: Buffer;
};

/** Names and values that HTTP can carry (RFC 9110, sections 5.1 and 5.5; bytes above 127 as Latin-1). */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** The server's own business. */
const NOT_THE_FUNCTIONS = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-amzn-requestid",
]);

/**
 * Reads what a function returned to its URL: an object with a `statusCode` is the answer itself; anything else is its
 * body, JSON as it came, text without its quotes ("Response payload format", AWS documentation). undefined: it is an
 * answer that HTTP cannot carry.
 */
export function urlResponse(payload: Buffer): UrlResponse | undefined {
  const returned = parse(payload);
  if (typeof returned === "string") return { ...plain, body: Buffer.from(returned) };
  if (!isObject(returned) || returned["statusCode"] === undefined) return { ...plain, body: payload };
  const head = responseHead(returned);
  return head && { ...head, body: bodyOf(returned["body"], returned["isBase64Encoded"] === true) };
}

/** Status, headers and cookies, as a function gives them with its answer or before its stream. */
export function responseHead(returned: Record<string, unknown>): Omit<UrlResponse, "body"> | undefined {
  const status = statusOf(returned["statusCode"]);
  const headers = headersOf(returned["headers"] ?? {});
  const cookies = returned["cookies"] ?? [];
  if (status === undefined || headers === undefined || !Array.isArray(cookies)) return undefined;
  const areSound = cookies.every((cookie) => typeof cookie === "string" && HEADER_VALUE.test(cookie));
  return areSound ? { status, headers, cookies } : undefined;
}

const plain = { status: 200, headers: new Map([["content-type", "application/json"]]), cookies: [] };

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined; // A custom runtime may answer what it likes: it is passed on as it is.
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A number, or one as text. Informational ones are no answers. */
function statusOf(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof status === "number" && Number.isInteger(status) && status >= 200 && status <= 599 ? status : undefined;
}

function headersOf(given: unknown): Map<string, string> | undefined {
  if (!isObject(given)) return undefined;
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    const text = String(value);
    if (!HEADER_NAME.test(name) || typeof value === "object" || !HEADER_VALUE.test(text)) return undefined;
    if (!NOT_THE_FUNCTIONS.has(name.toLowerCase())) headers.set(name.toLowerCase(), text);
  }
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return headers;
}

function bodyOf(body: unknown, isBase64: boolean): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body !== "string") return Buffer.from(JSON.stringify(body));
  return Buffer.from(body, isBase64 ? "base64" : "utf8");
}
