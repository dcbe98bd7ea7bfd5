import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { Invoker } from "../../ports/invoker.ts";
import type { HttpServer } from "../http-server.ts";
import { addAccountRoutes } from "./account-settings.ts";
import { addCodeRoute, CodeLocation } from "./code-location.ts";
import { addFunctionRoutes } from "./function-routes.ts";
import { addInvokeRoute } from "./invoke-route.ts";
import { addTagRoutes } from "./tag-routes.ts";

export type LambdaApiOptions = {
  readonly catalog: FunctionCatalog;
  readonly codeStore: CodeStore;
  readonly invoker: Invoker;
  readonly clock: Clock;
  readonly region: string;
  /** Signs the URLs of code; the same after a restart, so that a URL outlives one. */
  readonly secret: Buffer;
  /** What GetAccountSettings tells every account. */
  readonly concurrentExecutionsMax: number;
};

/** Adds AWS Lambda's API (rest-json, 2015-03-31) to a server. */
export function addLambdaApi(server: HttpServer, options: LambdaApiOptions): void {
  const { catalog, codeStore, clock, region } = options;
  const codeLocation = new CodeLocation(options.secret, clock);
  addInvokeRoute(server, options);
  addFunctionRoutes(server, { catalog, codeLocation, region });
  addTagRoutes(server, catalog, region);
  addAccountRoutes(server, catalog, options.concurrentExecutionsMax);
  addCodeRoute(server, codeLocation, codeStore);
}
