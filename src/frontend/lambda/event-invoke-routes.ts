import type { EventInvokeConfig, EventInvokeConfigs, EventInvokeSettings } from "../../ports/event-invoke-config.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { eventInvokeInput, eventInvokeSettingsOf, validateEventInvoke } from "./event-invoke-input.ts";
import { parseInput } from "./function-input.ts";
import { type FunctionTarget, NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf } from "./granted.ts";
import { notFound } from "./lambda-error.ts";
import { pageOf } from "./page.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const PAGE_MAX = 50;
const NONE: EventInvokeSettings = {
  retriesMax: undefined,
  ageMsMax: undefined,
  onSuccess: undefined,
  onFailure: undefined,
};

export type EventInvokeRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly configs: EventInvokeConfigs;
  readonly region: string;
  /** Whether accounts besides the operator's may send with the server's credentials of AWS. */
  readonly isAwsShared: boolean;
};

/** Adds the operations on what happens to asynchronous invocations of a function, a version or an alias. */
export function addEventInvokeRoutes(server: HttpServer, options: EventInvokeRoutesOptions): void {
  const operations = new EventInvokeOperations(options);
  const path = "/2019-09-25/functions/:FunctionName/event-invoke-config";
  server.addRoute("PUT", path, (request) => operations.put(request));
  server.addRoute("POST", path, (request) => operations.update(request));
  server.addRoute("GET", path, (request) => operations.get(request));
  server.addRoute("DELETE", path, (request) => operations.delete(request));
  server.addRoute("GET", `${path}/list`, (request) => operations.list(request));
}

class EventInvokeOperations {
  readonly #options: EventInvokeRoutesOptions;

  constructor(options: EventInvokeRoutesOptions) {
    this.#options = options;
  }

  async put(request: RouteRequest): Promise<void> {
    const { target, settings } = this.#change(request);
    const { name, qualifier = "$LATEST" } = target;
    const { accountId } = request.principal;
    const config = await this.#options.configs.put(accountId, name, qualifier, { ...NONE, ...settings });
    sendJson(request, 200, this.#shown(config));
  }

  async update(request: RouteRequest): Promise<void> {
    const { target, settings } = this.#change(request);
    const { name, qualifier = "$LATEST" } = target;
    const config = await this.#options.configs.update(request.principal.accountId, name, qualifier, settings);
    if (config === undefined) throw this.#missing(request, target);
    sendJson(request, 200, this.#shown(config));
  }

  get(request: RouteRequest): void {
    sendJson(request, 200, this.#shown(this.#find(request, this.#target(request))));
  }

  async delete(request: RouteRequest): Promise<void> {
    const target = this.#target(request);
    const { accountId } = request.principal;
    const { name, qualifier = "$LATEST" } = target;
    if (!(await this.#options.configs.delete(accountId, name, qualifier))) throw this.#missing(request, target);
    sendEmpty(request, 204);
  }

  list(request: RouteRequest): void {
    const { accountId } = request.principal;
    const { catalog, configs } = this.#options;
    const { name } = this.#target(request);
    const { itemsMax, marker } = pageOf(request.query, PAGE_MAX);
    if (catalog.get(accountId, name) === undefined) throw notFound("The function does not exist.");
    const after = configs.list(accountId, name).filter(({ qualifier }) => marker === undefined || qualifier > marker);
    const page = after.slice(0, itemsMax);
    const last = page.at(-1);
    const isMore = after.length > page.length && last !== undefined;
    sendJson(request, 200, {
      FunctionEventInvokeConfigs: page.map((config) => this.#shown(config)),
      ...(isMore ? { NextMarker: Buffer.from(last.qualifier).toString("base64url") } : {}),
    });
  }

  /** Reads and checks a request that changes a config. @throws LambdaError. */
  #change(request: RouteRequest): { target: FunctionTarget; settings: Partial<EventInvokeSettings> } {
    const { catalog, region, isAwsShared } = this.#options;
    const { accountId } = request.principal;
    const input = parseInput(eventInvokeInput, request.body);
    const violations = new Violations();
    validateEventInvoke(input, violations);
    violations.check();
    const target = this.#target(request);
    const { name, qualifier } = target;
    const owner = { catalog, accountId, region, functionName: name, isAwsShared };
    if (Object.values(input).every((member) => member === undefined)) eventInvokeSettingsOf(input, owner);
    const isThere = catalog.get(accountId, name) !== undefined;
    const isQualified = qualifier === undefined || catalog.resolve(accountId, name, qualifier) !== undefined;
    if (!isThere || !isQualified) throw notFound("The function doesn't exist.");
    return { target, settings: eventInvokeSettingsOf(input, owner) };
  }

  #target({ params, query, principal }: RouteRequest): FunctionTarget {
    const owner = { accountId: principal.accountId, region: this.#options.region };
    return targetOf(params["FunctionName"] ?? "", query.get("Qualifier"), owner, NAME_LENGTH_MAX);
  }

  /** @throws LambdaError ResourceNotFoundException. */
  #find(request: RouteRequest, target: FunctionTarget): EventInvokeConfig {
    const { name, qualifier = "$LATEST" } = target;
    const config = this.#options.configs.get(request.principal.accountId, name, qualifier);
    if (config === undefined) throw this.#missing(request, target);
    return config;
  }

  #missing({ principal }: RouteRequest, { name, qualifier = "$LATEST" }: FunctionTarget): Error {
    const arn = `${arnOf(this.#options.region, principal.accountId, name)}:${qualifier}`;
    return notFound(`The function ${arn} doesn't have an EventInvokeConfig`);
  }

  #shown(config: EventInvokeConfig): object {
    const { accountId, functionName, qualifier, lastModifiedMs, retriesMax, ageMsMax, onSuccess, onFailure } = config;
    const to = (destination: string | undefined) => (destination === undefined ? {} : { Destination: destination });
    return {
      LastModified: lastModifiedMs / 1000,
      FunctionArn: `${arnOf(this.#options.region, accountId, functionName)}:${qualifier}`,
      ...(retriesMax === undefined ? {} : { MaximumRetryAttempts: retriesMax }),
      ...(ageMsMax === undefined ? {} : { MaximumEventAgeInSeconds: ageMsMax / 1000 }),
      DestinationConfig: { OnSuccess: to(onSuccess), OnFailure: to(onFailure) },
    };
  }
}
