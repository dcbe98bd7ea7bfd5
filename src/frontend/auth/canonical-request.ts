import { hash } from "node:crypto";
import type { Credential } from "./credential.ts";

/** The parts of a request that a signature covers. */
export type SignedRequest = {
  readonly method: string;
  /** As on the wire, without the query. */
  readonly path: string;
  /** As on the wire, without the question mark. */
  readonly rawQuery: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
};

/** The text that Signature Version 4 hashes ("Create a canonical request", AWS documentation). */
export function canonicalRequest(request: SignedRequest, credential: Credential): string {
  const headers = credential.signedHeaders.map((name) => `${name}:${canonicalValue(request.headers[name])}\n`);
  return [
    request.method,
    canonicalPath(request.path),
    request.rawQuery === "" ? "" : canonicalQuery(request.rawQuery),
    headers.join(""),
    credential.signedHeaders.join(";"),
    hash("sha256", request.body, "hex"),
  ].join("\n");
}

/** Lambda's signers encode the path twice: what is on the wire is encoded again, slashes apart. */
function canonicalPath(path: string): string {
  const normal = path.includes("//") || path.includes("/.") ? withoutDots(path) : path;
  return /^[A-Za-z0-9\-._~/]*$/.test(normal) ? normal : normal.split("/").map(encode).join("/");
}

/** As signers normalise it for all services but S3: empty and `.` segments are left out, `..` takes back the one before. */
function withoutDots(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}${segments.length > 0 && path.endsWith("/") ? "/" : ""}`;
}

function canonicalQuery(rawQuery: string): string {
  const pairs: [string, string][] = [];
  for (const part of rawQuery.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = equals === -1 ? part : part.slice(0, equals);
    if (name === "X-Amz-Signature") continue;
    pairs.push([encode(decode(name)), equals === -1 ? "" : encode(decode(part.slice(equals + 1)))]);
  }
  pairs.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB));
  return pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalValue(value: string | string[] | undefined): string {
  const text = Array.isArray(value) ? value.join(",") : (value ?? "");
  return text.trim().replace(/\s+/g, " ");
}

/** Encodes all but the unreserved characters of RFC 3986. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
