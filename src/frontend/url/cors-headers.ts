import type { IncomingHttpHeaders } from "node:http";
import type { Cors } from "../../ports/function-urls.ts";

/** Headers that the settings answer for; a function's own are dropped. */
const CORS_HEADER = /^access-control-/;

/** Whether a browser asks what it may do; the settings answer, not the function. */
export function isPreflight(method: string | undefined, headers: IncomingHttpHeaders): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && "access-control-request-method" in headers;
}

/** What an answer to a page of this origin carries; of an origin that is not allowed, or none, little. */
export function corsHeaders(cors: Cors, origin: string | undefined): ReadonlyMap<string, string> {
  const { allowOrigins = [], allowCredentials, exposeHeaders = [] } = cors;
  const headers = new Map<string, string>();
  const isForAll = allowOrigins.includes("*");
  // With credentials browsers want their origin by name.
  const isNamed = !isForAll || allowCredentials === true;
  if (isNamed) headers.set("vary", "Origin");
  if (origin === undefined || !(isForAll || allowOrigins.includes(origin))) return headers;
  headers.set("access-control-allow-origin", isNamed ? origin : "*");
  if (allowCredentials === true) headers.set("access-control-allow-credentials", "true");
  if (exposeHeaders.length > 0) headers.set("access-control-expose-headers", exposeHeaders.join(","));
  return headers;
}

/** The answer to a preflight. */
export function preflightHeaders(cors: Cors, origin: string | undefined): ReadonlyMap<string, string> {
  const headers = new Map(corsHeaders(cors, origin));
  if (!headers.has("access-control-allow-origin")) return headers;
  const { allowMethods = [], allowHeaders = [], maxAgeS } = cors;
  if (allowMethods.length > 0) headers.set("access-control-allow-methods", allowMethods.join(","));
  if (allowHeaders.length > 0) headers.set("access-control-allow-headers", allowHeaders.join(","));
  if (maxAgeS !== undefined) headers.set("access-control-max-age", String(maxAgeS));
  return headers;
}

/** A function's headers under the settings. */
export function underCors(
  headers: ReadonlyMap<string, string>,
  cors: Cors,
  origin: string | undefined,
): ReadonlyMap<string, string> {
  const own = [...headers].filter(([name]) => !CORS_HEADER.test(name));
  const merged = new Map([...own, ...corsHeaders(cors, origin)]);
  const vary = headers.get("vary");
  if (vary !== undefined && merged.get("vary") !== vary) merged.set("vary", `${vary}, ${merged.get("vary")}`);
  return merged;
}
