import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import type { FunctionCatalog, FunctionDescription } from "../../ports/function-catalog.ts";
import type { Invoker } from "../../ports/invoker.ts";
import type { RuntimeSupply } from "../../ports/runtime-supply.ts";
import type { HttpServer } from "../http-server.ts";
import { addAccountRoutes } from "./account-settings.ts";
import { addCodeRoute, CodeLocation } from "./code-location.ts";
import { addFunctionRoutes } from "./function-routes.ts";
import { addInvokeRoute } from "./invoke-route.ts";
import { addTagRoutes } from "./tag-routes.ts";

export type LambdaRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly codeStore: CodeStore;
  readonly invoker: Invoker;
  readonly clock: Clock;
  readonly region: string;
  /** This server's own, for callers that do not say how they named it. */
  readonly url: string;
  /** Signs the URLs of code; the same after a restart, so that a URL outlives one. */
  readonly secret: string;
  /** What GetAccountSettings tells every account; undefined: Lambda's default. */
  readonly concurrentExecutionsMax?: number;
  /** What a new container of that version gets. */
  effectiveMemoryMiB(description: FunctionDescription): number;
  /** undefined: every runtime is there. */
  readonly runtimes?: RuntimeSupply;
};

/** Of an AWS account that never asked for more. */
const CONCURRENT_EXECUTIONS_DEFAULT = 1000;

/** Adds AWS Lambda's API (rest-json, 2015-03-31) to a server. */
export function addLambdaRoutes(server: HttpServer, options: LambdaRoutesOptions): void {
  const { catalog, codeStore, clock, region } = options;
  const codeLocation = new CodeLocation(options.secret, options.url, clock);
  addInvokeRoute(server, options);
  const { effectiveMemoryMiB, runtimes } = options;
  addFunctionRoutes(server, { catalog, codeLocation, region, effectiveMemoryMiB, runtimes });
  addTagRoutes(server, catalog, region);
  addAccountRoutes(server, catalog, options.concurrentExecutionsMax ?? CONCURRENT_EXECUTIONS_DEFAULT);
  addCodeRoute(server, codeLocation, codeStore);
}
