import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

/** Whether only this machine reaches an address that a server is bound to. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1" || name === "::ffff:127.0.0.1") return true;
  return isIP(name) === 4 && name.startsWith("127.");
}

/**
 * A local server trusts whoever reaches it, and every page in the user's browser does. So a request
 * from another site's page is refused (it carries that site's Origin), and one to a foreign name that
 * was made to resolve to this machine (DNS rebinding shows in Host).
 * @returns a sentence for the caller when the request is refused.
 */
export function createBrowserGuard(boundHost: string): (headers: IncomingHttpHeaders) => string | undefined {
  // Hosts repeat: whether one is ours is worked out once. Bounded, because callers choose them.
  const ours = new Set<string>();
  const OURS_MAX = 100;
  const isOurs = (host: string) => {
    if (ours.has(host)) return true;
    const name = host.replace(/:\d+$/, "");
    if (!isLoopback(name) && name.toLowerCase() !== boundHost.toLowerCase()) return false;
    if (ours.size < OURS_MAX) ours.add(host);
    return true;
  };
  return (headers) => {
    const { host, origin } = headers;
    // Every browser sends Host; a client that does not is none.
    if (host !== undefined && !isOurs(host)) return `This server does not answer to the name ${host}.`;
    if (origin !== undefined && origin !== `http://${host}`) return "Requests of other sites' pages are refused.";
    return undefined;
  };
}
