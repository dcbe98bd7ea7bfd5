import { BearerToken } from "../auth/bearer-token.ts";
import type { RouteOptions } from "../http-server.ts";

/**
 * By which ways a request may come to the routes of an operator, by their path.
 * @param metricsToken for who cannot sign, and for the metrics alone; undefined: there is no such way.
 */
export function routeAccess(metricsToken: string | undefined): (path: string) => RouteOptions {
  const forMetrics = metricsToken === undefined ? {} : { bearerToken: new BearerToken(metricsToken) };
  return (path) => {
    if (path === "/healthz") return { access: "open" };
    return path === "/metrics" ? forMetrics : {};
  };
}
