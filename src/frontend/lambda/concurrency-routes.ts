import { z } from "zod";
import type { AccountId } from "../../model/ids.ts";
import type { ProvisionedDescription, ProvisionedState } from "../../ports/concurrency-catalog.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { aliasMissing } from "./alias-routes.ts";
import { checkInput } from "./constraints.ts";
import { lambdaTimeOf } from "./function-configuration.ts";
import { optional, parseInput } from "./function-input.ts";
import { functionMissing } from "./function-name.ts";
import { FunctionRequests } from "./function-request.ts";
import { grantedOf } from "./granted.ts";
import { invalidParameter, LambdaError } from "./lambda-error.ts";
import { pageOf, pageQueryOf } from "./list-page.ts";
import { sendEmpty, sendJson } from "./send.ts";

export type ConcurrencyRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly region: string;
  /** How far what is asked for is held ready. */
  provisionedState(accountId: AccountId, name: string, config: ProvisionedDescription): ProvisionedState;
};

const reserveInput = z.object({ ReservedConcurrentExecutions: optional(z.int()) });
const provisionInput = z.object({ ProvisionedConcurrentExecutions: optional(z.int()) });

/** Adds the operations on reserved and provisioned concurrency. */
export function addConcurrencyRoutes(server: HttpServer, options: ConcurrencyRoutesOptions): void {
  const { catalog, region } = options;
  const functions = new FunctionRequests(catalog, region);
  const reserved = "/2017-10-31/functions/:FunctionName/concurrency";

  server.addRoute("PUT", reserved, async (request) => {
    const input = parseInput(reserveInput, request.body);
    checkInput("PutFunctionConcurrency", input, ["FunctionName"]);
    // Lambda names the version here, and here only.
    const { name, arn } = functions.unqualified(request, "$LATEST");
    const { ReservedConcurrentExecutions: count = 0 } = input;
    const answer = await catalog.concurrency.reserve(request.principal.accountId, name, count);
    grantedOf(answer, { arn, name, count });
    sendJson(request, 200, { ReservedConcurrentExecutions: count });
  });

  server.addRoute("DELETE", reserved, async (request) => {
    const { name, arn } = functions.unqualified(request);
    grantedOf(await catalog.concurrency.reserve(request.principal.accountId, name, undefined), { arn, name });
    sendEmpty(request, 204);
  });

  server.addRoute("GET", "/2019-09-30/functions/:FunctionName/concurrency", (request) => {
    const { name } = functions.unqualified(request);
    const count = catalog.concurrency.reserved(request.principal.accountId, name);
    sendJson(request, 200, count === undefined ? {} : { ReservedConcurrentExecutions: count });
  });

  const operations = new ProvisionedOperations(options, functions);
  const provisioned = "/2019-09-30/functions/:FunctionName/provisioned-concurrency";
  server.addRoute("PUT", provisioned, (request) => operations.put(request));
  server.addRoute("DELETE", provisioned, (request) => operations.delete(request));
  server.addRoute("GET", provisioned, (request) =>
    request.query.has("List") ? operations.list(request) : operations.get(request),
  );
}

class ProvisionedOperations {
  readonly #options: ConcurrencyRoutesOptions;
  readonly #functions: FunctionRequests;

  constructor(options: ConcurrencyRoutesOptions, functions: FunctionRequests) {
    this.#options = options;
    this.#functions = functions;
  }

  async put(request: RouteRequest): Promise<void> {
    const input = parseInput(provisionInput, request.body);
    checkInput("PutProvisionedConcurrencyConfig", { ...input, Qualifier: request.query.get("Qualifier") }, [
      "FunctionName",
    ]);
    const latest = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    const { name, qualifier, arn } = this.#target(request, latest);
    const { ProvisionedConcurrentExecutions: count = 0 } = input;
    const { accountId } = request.principal;
    const answer = await this.#options.catalog.concurrency.provision(accountId, name, qualifier, count);
    const config = grantedOf(answer, { arn, name, count });
    sendJson(request, 202, this.#shown(accountId, name, config));
  }

  get(request: RouteRequest): void {
    const { name, qualifier } = this.#target(request, NOT_PUBLISHED);
    const { accountId } = request.principal;
    const config = this.#options.catalog.concurrency.provisioned(accountId, name, qualifier);
    if (config === undefined) {
      throw new LambdaError(
        "ProvisionedConcurrencyConfigNotFoundException",
        404,
        "No Provisioned Concurrency Config found for this function",
        { Type: "User" },
      );
    }
    sendJson(request, 200, this.#shown(accountId, name, config));
  }

  async delete(request: RouteRequest): Promise<void> {
    const { name, qualifier, arn } = this.#target(request, NOT_PUBLISHED);
    const answer = await this.#options.catalog.concurrency.unprovision(request.principal.accountId, name, qualifier);
    grantedOf(answer, { arn, name });
    sendEmpty(request, 204);
  }

  list(request: RouteRequest): void {
    const page = pageQueryOf(request, "ListProvisionedConcurrencyConfigs");
    const { name, arn } = this.#functions.unqualified(request);
    const { accountId } = request.principal;
    const all = this.#options.catalog.concurrency.listProvisioned(accountId, name) ?? [];
    const found = all.filter(({ qualifier }) => qualifier > (page.after ?? ""));
    const { members, next } = pageOf(found, page, ({ qualifier }) => qualifier);
    const configs = members.map((config) => ({
      FunctionArn: `${arn}:${config.qualifier}`,
      ...this.#shown(accountId, name, config),
    }));
    sendJson(request, 200, { ProvisionedConcurrencyConfigs: configs, ...next });
  }

  /** @param latest what is said of `$LATEST`, which can have none. @throws LambdaError. */
  #target(request: RouteRequest, latest: string): { name: string; qualifier: string; arn: string } {
    const { name, qualifier = "" } = this.#functions.target(request);
    if (qualifier === "") checkInput("GetProvisionedConcurrencyConfig", {}, ["FunctionName"]);
    if (qualifier === "$LATEST") throw invalidParameter(latest);
    const arn = this.#functions.arn(request, name);
    if (this.#options.catalog.kindOf(request.principal.accountId, name, qualifier) === undefined) {
      throw /^\d+$/.test(qualifier) ? functionMissing(arn, qualifier) : aliasMissing(arn, qualifier);
    }
    return { name, qualifier, arn };
  }

  #shown(accountId: AccountId, name: string, config: ProvisionedDescription): Record<string, unknown> {
    const { allocated, available, status, reason } = this.#options.provisionedState(accountId, name, config);
    return {
      RequestedProvisionedConcurrentExecutions: config.count,
      AvailableProvisionedConcurrentExecutions: available,
      AllocatedProvisionedConcurrentExecutions: allocated,
      Status: status,
      ...(reason === undefined ? {} : { StatusReason: reason }),
      LastModified: lambdaTimeOf(config.lastModifiedMs),
    };
  }
}

const NOT_PUBLISHED = "The function resource provided must be an alias or a published version.";
