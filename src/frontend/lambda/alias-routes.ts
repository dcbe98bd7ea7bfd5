import { z } from "zod";
import type { AliasDescription, AliasRoute, AliasSettings } from "../../ports/alias-catalog.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { optional, parseInput } from "./function-input.ts";
import { functionMissing } from "./function-name.ts";
import { FunctionRequests, type RequestedFunction } from "./function-request.ts";
import { grantedOf } from "./granted.ts";
import { invalidParameter, LambdaError, notFound } from "./lambda-error.ts";
import { pageOf, pageQueryOf } from "./list-page.ts";
import { sendEmpty, sendJson } from "./send.ts";

const members = {
  FunctionVersion: optional(z.string()),
  Description: optional(z.string()),
  RoutingConfig: optional(z.object({ AdditionalVersionWeights: optional(z.record(z.string(), z.number())) })),
};
const createInput = z.object({ ...members, Name: optional(z.string()) });
const updateInput = z.object({ ...members, RevisionId: optional(z.string()) });

/** Adds the operations on aliases. */
export function addAliasRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const operations = new AliasOperations(catalog, region);
  const all = "/2015-03-31/functions/:FunctionName/aliases";
  const one = `${all}/:Name`;
  server.addRoute("POST", all, (request) => operations.create(request));
  server.addRoute("GET", all, (request) => operations.list(request));
  server.addRoute("GET", one, (request) => operations.get(request));
  server.addRoute("PUT", one, (request) => operations.update(request));
  server.addRoute("DELETE", one, (request) => operations.delete(request));
}

class AliasOperations {
  readonly #catalog: FunctionCatalog;
  readonly #functions: FunctionRequests;

  constructor(catalog: FunctionCatalog, region: string) {
    this.#catalog = catalog;
    this.#functions = new FunctionRequests(catalog, region);
  }

  async create(request: RouteRequest): Promise<void> {
    const input = parseInput(createInput, request.body);
    checkInput("CreateAlias", input, ["FunctionName"]);
    const { Name: alias = "", FunctionVersion: version = "", Description: description = "" } = input;
    const { name, arn } = this.#functions.unqualified(request);
    const settings = { version, description, route: routeOf(input.RoutingConfig?.AdditionalVersionWeights, version) };
    const answer = await this.#catalog.aliases.create(request.principal.accountId, name, alias, settings);
    sendJson(request, 201, aliasOf(grantedOf(answer, { arn, name, alias })));
  }

  get(request: RouteRequest): void {
    const { alias, target } = this.#target(request, "GetAlias");
    sendJson(request, 200, aliasOf(this.#require(request, target, alias)));
  }

  async update(request: RouteRequest): Promise<void> {
    const input = parseInput(updateInput, request.body);
    const { alias, target } = this.#target(request, "UpdateAlias", input);
    const { name, arn } = target;
    const { accountId } = request.principal;
    const { RevisionId: revisionId } = input;
    const change = (before: AliasSettings) => changeOf(input, before);
    const answer = await this.#catalog.aliases.update(accountId, name, alias, change, { revisionId });
    sendJson(request, 200, aliasOf(grantedOf(answer, { arn, name, alias })));
  }

  async delete(request: RouteRequest): Promise<void> {
    const { alias, target } = this.#target(request, "DeleteAlias");
    const { name, arn } = target;
    const answer = await this.#catalog.aliases.delete(request.principal.accountId, name, alias);
    grantedOf(answer, { arn, name, alias });
    sendEmpty(request, 204);
  }

  list(request: RouteRequest): void {
    const page = pageQueryOf(request, "ListAliases", ["FunctionVersion"]);
    const { name, arn } = this.#functions.unqualified(request);
    const version = request.query.get("FunctionVersion") ?? undefined;
    const { accountId } = request.principal;
    const found = this.#catalog.aliases.list(accountId, name, version, page.after ?? "", page.count + 1);
    if (found === undefined) throw functionMissing(arn, undefined);
    const { members: aliases, next } = pageOf(found, page, ({ alias }) => alias);
    sendJson(request, 200, { Aliases: aliases.map(aliasOf), ...next });
  }

  #target(
    request: RouteRequest,
    operation: "GetAlias" | "UpdateAlias" | "DeleteAlias",
    input: Readonly<Record<string, unknown>> = {},
  ): { readonly alias: string; readonly target: RequestedFunction } {
    const alias = request.params["Name"] ?? "";
    checkInput(operation, { ...input, Name: alias }, ["FunctionName"]);
    return { alias, target: this.#functions.unqualified(request) };
  }

  /** @throws LambdaError ResourceNotFoundException. */
  #require(request: RouteRequest, { name, arn }: RequestedFunction, alias: string): AliasDescription {
    const found = this.#catalog.aliases.get(request.principal.accountId, name, alias);
    if (found === undefined) throw aliasMissing(arn, alias);
    return found;
  }
}

/** @param arn of the function, unqualified. */
export function aliasMissing(arn: string, alias: string): LambdaError {
  return notFound(`Cannot find alias arn: ${arn}:${alias}`);
}

/** What is not stated stays as it is. @throws LambdaError. */
function changeOf(input: z.output<typeof updateInput>, before: AliasSettings): Partial<AliasSettings> {
  const { FunctionVersion: version = before.version, Description: description = before.description } = input;
  const kept = before.route === undefined ? undefined : { [before.route.version]: before.route.weight };
  const weights = input.RoutingConfig === undefined ? kept : input.RoutingConfig.AdditionalVersionWeights;
  return { version, description, route: routeOf(weights, version) };
}

/** The second version of an alias; undefined: it has none. @param version its first one. @throws LambdaError. */
function routeOf(weights: Readonly<Record<string, number>> | undefined, version: string): AliasRoute | undefined {
  const [route, ...others] = Object.entries(weights ?? {});
  if (route === undefined) return undefined;
  if (others.length > 0) {
    throw invalidParameter("Number of items in AdditionalVersionWeights cannot be greater than 1");
  }
  const [number, weight] = route;
  if (number === version) {
    throw invalidParameter(
      `Invalid function version ${version}. Function version ${version} is already included in routing configuration.`,
    );
  }
  if (version === "$LATEST") {
    throw new LambdaError(
      "InvalidParameterValueException",
      400,
      "$LATEST is not supported for an alias pointing to more than 1 version",
    );
  }
  return { version: number, weight };
}

function aliasOf({ arn, alias, version, description, route, revisionId }: AliasDescription): Record<string, unknown> {
  return {
    AliasArn: arn,
    Name: alias,
    FunctionVersion: version,
    Description: description,
    ...(route === undefined ? {} : { RoutingConfig: { AdditionalVersionWeights: { [route.version]: route.weight } } }),
    RevisionId: revisionId,
  };
}
