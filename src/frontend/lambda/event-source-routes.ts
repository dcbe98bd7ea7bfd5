import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type {
  EventSourceAnswer,
  EventSourceDescription,
  EventSourceSettings,
  EventSources,
} from "../../ports/event-source.ts";
import { type FunctionCatalog, TAGS_MAX } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import {
  checkBatch,
  checkForeignMembers,
  EVENT_SOURCE_DEFAULTS,
  eventSourceInput,
  eventSourceSettingsOf,
  queueArnOf,
} from "./event-source-input.ts";
import { parseInput } from "./function-input.ts";
import { type FunctionTarget, NAMESPACED_NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf, sourceArnOf } from "./granted.ts";
import { conflict, invalidParameter, LambdaError, notFound } from "./lambda-error.ts";
import { pageOf } from "./page.ts";
import { sendJson } from "./send.ts";

/** Mappings of one answer, and most that may be asked for. */
const PAGE_MAX = 100;
const ASKED_MAX = 10_000;

export type EventSourceRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly sources: EventSources;
  readonly region: string;
  /** Whether accounts besides the operator's may read with the server's credentials of AWS. */
  readonly isAwsShared: boolean;
};

/** Adds the operations on mappings of event sources to functions. */
export function addEventSourceRoutes(server: HttpServer, options: EventSourceRoutesOptions): void {
  const operations = new EventSourceOperations(options);
  const mappings = "/2015-03-31/event-source-mappings";
  server.addRoute("POST", mappings, (request) => operations.create(request));
  server.addRoute("GET", mappings, (request) => operations.list(request));
  server.addRoute("GET", `${mappings}/:UUID`, (request) => operations.get(request));
  server.addRoute("PUT", `${mappings}/:UUID`, (request) => operations.update(request));
  server.addRoute("DELETE", `${mappings}/:UUID`, (request) => operations.delete(request));
}

class EventSourceOperations {
  readonly #options: EventSourceRoutesOptions;

  constructor(options: EventSourceRoutesOptions) {
    this.#options = options;
  }

  async create(request: RouteRequest): Promise<void> {
    const { sources, isAwsShared } = this.#options;
    const { accountId } = request.principal;
    const input = parseInput(eventSourceInput, request.body);
    checkInput("CreateEventSourceMapping", input);
    const arn = queueArnOf(input);
    if (accountId !== DEFAULT_ACCOUNT_ID && !isAwsShared) {
      throw invalidParameter(
        "This server lets only its operator's account use its AWS credentials; start it with --aws-shared to let all.",
      );
    }
    const settings = { ...EVENT_SOURCE_DEFAULTS, ...eventSourceSettingsOf(input, sources.isPattern) };
    checkBatch(arn, settings);
    const { name: functionName, qualifier } = this.#function(request, input.FunctionName ?? "");
    const { Tags: tags = {} } = input;
    if (Object.keys(tags).length > TAGS_MAX) throw invalidParameter("Number of tags exceeds resource tag limit.");
    const origin = { kind: "sqs", arn } as const;
    const answer = await sources.create(accountId, origin, { ...settings, functionName, qualifier }, tags);
    if (answer.kind === "exists") {
      throw conflict(
        `An event source mapping with SQS arn (" ${arn} ") and function (" ${functionName} ") already exists. Please update or delete the existing mapping with UUID ${answer.uuid}`,
      );
    }
    sendJson(request, 202, this.#granted(answer, "create"));
  }

  get(request: RouteRequest): void {
    sendJson(request, 200, this.#shown(this.#find(request)));
  }

  list(request: RouteRequest): void {
    const { query, principal } = request;
    const members = { EventSourceArn: query.get("EventSourceArn"), FunctionName: query.get("FunctionName") };
    checkInput("ListEventSourceMappings", members);
    const { itemsMax, marker } = pageOf(query, PAGE_MAX, ASKED_MAX);
    const { EventSourceArn: arn, FunctionName: text } = members;
    const target = text === null ? undefined : this.#target(request, text);
    const found = this.#options.sources
      .list(principal.accountId)
      .filter(({ uuid, origin }) => (marker === undefined || uuid > marker) && (arn === null || origin.arn === arn))
      .filter(
        ({ functionName, qualifier }) =>
          target === undefined || (functionName === target.name && qualifier === target.qualifier),
      );
    const page = found.slice(0, itemsMax);
    const last = page.at(-1);
    const isMore = found.length > page.length && last !== undefined;
    sendJson(request, 200, {
      EventSourceMappings: page.map((description) => this.#shown(description)),
      ...(isMore ? { NextMarker: Buffer.from(last.uuid).toString("base64url") } : {}),
    });
  }

  async update(request: RouteRequest): Promise<void> {
    const { sources } = this.#options;
    const input = parseInput(eventSourceInput, request.body);
    checkInput("UpdateEventSourceMapping", { ...input, UUID: request.params["UUID"] });
    const found = this.#find(request);
    checkForeignMembers(input);
    const target = input.FunctionName === undefined ? undefined : this.#function(request, input.FunctionName);
    const change: Partial<EventSourceSettings> = {
      ...eventSourceSettingsOf(input, sources.isPattern),
      ...(target === undefined ? {} : { functionName: target.name, qualifier: target.qualifier }),
    };
    checkBatch(found.origin.arn, { ...found, ...change });
    const answer = await sources.update(request.principal.accountId, found.uuid, change);
    sendJson(request, 202, this.#granted(answer, "update"));
  }

  async delete(request: RouteRequest): Promise<void> {
    const { uuid } = this.#find(request);
    const answer = await this.#options.sources.delete(request.principal.accountId, uuid);
    sendJson(request, 202, this.#granted(answer, "delete"));
  }

  /** @throws LambdaError ResourceNotFoundException. */
  #find({ params, principal }: RouteRequest): EventSourceDescription {
    const found = this.#options.sources.get(principal.accountId, params["UUID"] ?? "");
    if (found === undefined) throw missing();
    return found;
  }

  #target({ principal }: RouteRequest, text: string): FunctionTarget {
    return targetOf(
      text,
      null,
      { accountId: principal.accountId, region: this.#options.region },
      NAMESPACED_NAME_LENGTH_MAX,
    );
  }

  /** @throws LambdaError when there is no such function, version or alias. */
  #function(request: RouteRequest, text: string): FunctionTarget {
    const target = this.#target(request, text);
    const found = this.#options.catalog.get(request.principal.accountId, target.name, target.qualifier);
    if (found === undefined) throw invalidParameter("Function does not exist");
    return target;
  }

  /** @throws LambdaError for what was not done. */
  #granted(answer: EventSourceAnswer, what: "create" | "update" | "delete"): object {
    switch (answer.kind) {
      case "done":
        return this.#shown(answer.description);
      case "missing":
        throw missing();
      case "unusable":
        throw invalidParameter(answer.says);
      case "exists":
      case "busy": {
        const says = `Cannot ${what} the event source mapping because it is in use.`;
        throw new LambdaError("ResourceInUseException", 400, says, { Type: "User" });
      }
      default:
        throw answer satisfies never;
    }
  }

  #shown(description: EventSourceDescription): object {
    const { uuid, accountId, origin, functionName, qualifier, filters, concurrencyMax, lastResult } = description;
    const { region } = this.#options;
    const arn = arnOf(region, accountId, functionName);
    return {
      UUID: uuid,
      EventSourceMappingArn: sourceArnOf(region, accountId, uuid),
      EventSourceArn: origin.arn,
      FunctionArn: qualifier === undefined ? arn : `${arn}:${qualifier}`,
      BatchSize: description.batchSize,
      MaximumBatchingWindowInSeconds: description.windowMs / 1000,
      FunctionResponseTypes: description.reportsItemFailures ? ["ReportBatchItemFailures"] : [],
      ...(filters.length === 0 ? {} : { FilterCriteria: { Filters: filters.map((Pattern) => ({ Pattern })) } }),
      ...(concurrencyMax === undefined ? {} : { ScalingConfig: { MaximumConcurrency: concurrencyMax } }),
      LastModified: description.lastModifiedMs / 1000,
      State: description.state,
      StateTransitionReason: description.stateReason,
      ...(lastResult === undefined ? {} : { LastProcessingResult: lastResult }),
    };
  }
}

function missing(): LambdaError {
  return notFound("The resource you requested does not exist.");
}
