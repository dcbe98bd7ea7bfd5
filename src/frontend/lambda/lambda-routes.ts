import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import type { ProvisionedDescription, ProvisionedState } from "../../ports/concurrency-catalog.ts";
import type { EventInvokeConfigs } from "../../ports/event-invoke-config.ts";
import type { EventSources } from "../../ports/event-source.ts";
import type { FunctionCatalog, FunctionDescription } from "../../ports/function-catalog.ts";
import type { FunctionUrls } from "../../ports/function-urls.ts";
import type { Invoker } from "../../ports/invoker.ts";
import type { LayerCatalog } from "../../ports/layer-catalog.ts";
import type { ObjectSource } from "../../ports/object-source.ts";
import type { ResourcePolicies } from "../../ports/resource-policies.ts";
import type { RuntimeSupply } from "../../ports/runtime-supply.ts";
import type { HttpServer } from "../http-server.ts";
import type { UrlAddress } from "../url/url-address.ts";
import { UrlEndpoint } from "../url/url-endpoint.ts";
import { addAccountRoutes } from "./account-settings.ts";
import { addAliasRoutes } from "./alias-routes.ts";
import { addCodeRoute, CodeLocation } from "./code-location.ts";
import { addCodeSigningRoutes } from "./code-signing-routes.ts";
import { addConcurrencyRoutes } from "./concurrency-routes.ts";
import { addEventInvokeRoutes } from "./event-invoke-routes.ts";
import { addEventSourceRoutes } from "./event-source-routes.ts";
import { addFunctionRoutes } from "./function-routes.ts";
import { addInvokeRoute } from "./invoke-route.ts";
import { addLayerPolicyRoutes } from "./layer-policy-routes.ts";
import { addLayerRoutes } from "./layer-routes.ts";
import { addOptionRoutes } from "./option-routes.ts";
import { addPermissionRoutes } from "./permission-routes.ts";
import { addTagRoutes } from "./tag-routes.ts";
import { addUrlConfigRoutes } from "./url-config-routes.ts";
import { addVersionRoutes } from "./version-routes.ts";

export type LambdaRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly layers: LayerCatalog;
  readonly policies: ResourcePolicies;
  readonly urls: FunctionUrls;
  readonly urlAddress: UrlAddress;
  readonly codeStore: CodeStore;
  readonly invoker: Invoker;
  /** Where code comes from that is said to be in a bucket. */
  readonly objects: ObjectSource;
  readonly eventInvokeConfigs: EventInvokeConfigs;
  readonly eventSources: EventSources;
  /** Whether accounts besides the operator's may use the server's credentials of AWS. */
  readonly isAwsShared: boolean;
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
  /** How far what is provisioned is held ready. */
  provisionedState(accountId: AccountId, name: string, config: ProvisionedDescription): ProvisionedState;
  /** Whether functions may be of runtimes that AWS makes no new ones of; undefined: they may not. */
  readonly allowDeprecatedRuntimes?: boolean;
  /** Whether spans are recorded; undefined: they are not. */
  readonly isTraced?: boolean;
};

/** Of an AWS account that never asked for more. */
const CONCURRENT_EXECUTIONS_DEFAULT = 1000;

/** Adds AWS Lambda's API (rest-json, 2015-03-31) to a server. */
export function addLambdaRoutes(server: HttpServer, options: LambdaRoutesOptions): void {
  const { catalog, layers, policies, urls, urlAddress: address, invoker, codeStore, clock, region } = options;
  const { allowDeprecatedRuntimes = false, isTraced = false, objects } = options;
  const { eventInvokeConfigs, eventSources, isAwsShared } = options;
  const codeLocation = new CodeLocation(options.secret, options.url, clock);
  addInvokeRoute(server, options);
  addFunctionRoutes(server, { ...options, codeLocation, allowDeprecatedRuntimes });
  addVersionRoutes(server, catalog, region);
  addAliasRoutes(server, catalog, region);
  addConcurrencyRoutes(server, options);
  addOptionRoutes(server, catalog, region);
  addCodeSigningRoutes(server, catalog, region);
  addEventInvokeRoutes(server, { catalog, configs: eventInvokeConfigs, region, isAwsShared });
  addLayerRoutes(server, { layers, objects, codeLocation, region });
  addLayerPolicyRoutes(server, layers, region);
  addPermissionRoutes(server, { catalog, policies, region });
  addUrlConfigRoutes(server, { catalog, urls, address, region });
  server.addSite(new UrlEndpoint({ server, address, urls, catalog, policies, invoker, clock, isTraced }));
  addEventSourceRoutes(server, { catalog, sources: eventSources, region, isAwsShared });
  addTagRoutes(server, { catalog, sources: eventSources, region });
  addAccountRoutes(server, catalog, options.concurrentExecutionsMax ?? CONCURRENT_EXECUTIONS_DEFAULT);
  addCodeRoute(server, codeLocation, codeStore);
}
