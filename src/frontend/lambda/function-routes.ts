import type { RuntimeName } from "../../model/runtime.ts";
import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import { ZIP_BYTES_MAX } from "../../ports/code-store.ts";
import type { FunctionCatalog, FunctionDescription, FunctionSettings } from "../../ports/function-catalog.ts";
import type { RuntimeSupply } from "../../ports/runtime-supply.ts";
import type { BodyLimit, HttpServer, RouteRequest } from "../http-server.ts";
import type { CodeLocation } from "./code-location.ts";
import { checkDeadlineTag } from "./deadline.ts";
import { configurationOf, listedConfigurationOf } from "./function-configuration.ts";
import {
  createInput,
  parseInput,
  settingsOf,
  updateCodeInput,
  updateSettingsInput,
  validateArchitectures,
  validateSettings,
  zipOf,
} from "./function-input.ts";
import {
  type FunctionTarget,
  functionMissing,
  NAME_LENGTH_MAX,
  NAMESPACED_NAME_LENGTH_MAX,
  requireUnqualified,
  targetOf,
} from "./function-name.ts";
import { arnOf, grantedOf } from "./granted.ts";
import { invalidParameter, LambdaError, tooLarge } from "./lambda-error.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

/** Lambda's limit of a request with code in it. */
const CODE_REQUEST_BYTES_MAX = 70_167_211;
/** Longest plain name. */
const PLAIN_NAME_LENGTH_MAX = 64;
/** Header of an answer about one function: MiB that its next container gets. */
const EFFECTIVE_MEMORY = "X-Hearth-Effective-Memory";
const PAGE_FUNCTIONS_MAX = 50;
const LIST_ITEMS_MAX = 10_000;

export type FunctionRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly codeLocation: CodeLocation;
  readonly region: string;
  effectiveMemoryMiB(description: FunctionDescription): number;
  /** undefined: every runtime is there. */
  readonly runtimes?: RuntimeSupply | undefined;
};

/** Adds the operations that make, show, change and delete functions. */
export function addFunctionRoutes(server: HttpServer, options: FunctionRoutesOptions): void {
  const operations = new FunctionOperations(options);
  const functions = "/2015-03-31/functions";
  const one = `${functions}/:FunctionName`;
  server.addRoute("POST", functions, (request) => operations.create(request), {
    bodyLimit: codeLimit("CreateFunction"),
  });
  server.addRoute("GET", functions, (request) => operations.list(request));
  server.addRoute("GET", one, (request) => operations.get(request));
  server.addRoute("DELETE", one, (request) => operations.delete(request));
  server.addRoute("GET", `${one}/configuration`, (request) => operations.getConfiguration(request));
  server.addRoute("PUT", `${one}/configuration`, (request) => operations.updateConfiguration(request));
  server.addRoute("PUT", `${one}/code`, (request) => operations.updateCode(request), {
    bodyLimit: codeLimit("UpdateFunctionCode"),
  });
}

function codeLimit(operation: string): BodyLimit {
  const limit = {
    bytesMax: CODE_REQUEST_BYTES_MAX,
    error: () =>
      tooLarge(`Request must be smaller than ${CODE_REQUEST_BYTES_MAX} bytes for the ${operation} operation`),
  };
  return () => limit;
}

class FunctionOperations {
  readonly #catalog: FunctionCatalog;
  readonly #codeLocation: CodeLocation;
  readonly #region: string;
  readonly #effectiveMemoryMiB: FunctionRoutesOptions["effectiveMemoryMiB"];
  readonly #runtimes: RuntimeSupply | undefined;

  constructor(options: FunctionRoutesOptions) {
    this.#catalog = options.catalog;
    this.#codeLocation = options.codeLocation;
    this.#region = options.region;
    this.#effectiveMemoryMiB = options.effectiveMemoryMiB;
    this.#runtimes = options.runtimes;
  }

  async create(request: RouteRequest): Promise<void> {
    const input = parseInput(createInput, request.body);
    const violations = new Violations();
    violations.required(input.FunctionName, "functionName");
    violations.required(input.Role, "role");
    violations.required(input.Code, "code");
    violations.oneOf(input.PackageType, "packageType", ["Image", "Zip"]);
    validateSettings(input, violations);
    validateArchitectures(input.Architectures, violations);
    violations.check();
    const target = this.#target(request, NAME_LENGTH_MAX, input.FunctionName);
    requireUnqualified(target);
    checkPlainLength(target.name);
    if (input.PackageType === "Image") throw invalidParameter("PackageType Image is not supported by this server.");
    if (input.CodeSigningConfigArn !== undefined) {
      throw new LambdaError(
        "CodeSigningConfigNotFoundException",
        404,
        "The code signing configuration cannot be found.",
        { Type: "User" },
      );
    }
    const given = settingsOf(input);
    if (given.runtime === undefined || given.handler === undefined) {
      throw invalidParameter(
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
      );
    }
    checkDeadlineTag(input.Tags ?? {});
    const architecture = architectureOf(input.Architectures) ?? "x86_64";
    const settings = { ...defaultSettings(target.name), ...given, architecture } as FunctionSettings;
    const zip = zipWithinLimit(zipOf(input.Code));
    await this.#prepare(request, given.runtime);
    const answer = await this.#catalog.create(
      request.principal.accountId,
      target.name,
      settings,
      zip,
      input.Tags ?? {},
      input.Publish === true,
    );
    sendJson(request, 201, configurationOf(this.#granted(answer, request, target), this.#region));
  }

  get(request: RouteRequest): void {
    const description = this.#find(request);
    this.#tellEffective(request, description);
    const { host } = request.req.headers;
    sendJson(request, 200, {
      Configuration: configurationOf(description, this.#region),
      Code: { RepositoryType: "S3", Location: this.#codeLocation.url(description.code.sha256Hex, host) },
      ...(Object.keys(description.tags).length === 0 ? {} : { Tags: description.tags }),
    });
  }

  getConfiguration(request: RouteRequest): void {
    const description = this.#find(request);
    this.#tellEffective(request, description);
    sendJson(request, 200, configurationOf(description, this.#region));
  }

  /** The body states what was requested, as clients expect it. */
  #tellEffective({ res }: RouteRequest, description: FunctionDescription): void {
    res.setHeader(EFFECTIVE_MEMORY, String(this.#effectiveMemoryMiB(description)));
  }

  list(request: RouteRequest): void {
    const { query, principal } = request;
    const maxItems = query.get("MaxItems") ?? undefined;
    const count = maxItems === undefined ? PAGE_FUNCTIONS_MAX : Number(maxItems);
    const violations = new Violations();
    if (Number.isInteger(count)) violations.range(count, "maxItems", 1, LIST_ITEMS_MAX);
    else violations.add(maxItems, "maxItems", "Member must be an integer");
    violations.oneOf(query.get("FunctionVersion") ?? undefined, "functionVersion", ["ALL"]);
    violations.check();
    const pageCount = Math.min(count, PAGE_FUNCTIONS_MAX);
    // One more than the page tells whether there is another.
    const found = this.#catalog.list(principal.accountId, afterNameOf(query.get("Marker")), pageCount + 1);
    const page = found.slice(0, pageCount);
    const last = page.at(-1);
    sendJson(request, 200, {
      Functions: page.map(listedConfigurationOf),
      ...(found.length > pageCount && last !== undefined ? { NextMarker: markerOf(last.name) } : {}),
    });
  }

  async updateCode(request: RouteRequest): Promise<void> {
    const input = parseInput(updateCodeInput, request.body);
    const violations = new Violations();
    validateArchitectures(input.Architectures, violations);
    violations.check();
    const target = this.#target(request, NAME_LENGTH_MAX);
    requireUnqualified(target);
    this.#require(request, target);
    const answer = await this.#catalog.updateCode(
      request.principal.accountId,
      target.name,
      zipWithinLimit(zipOf(input)),
      {
        revisionId: input.RevisionId,
        dryRun: input.DryRun === true,
        architecture: architectureOf(input.Architectures),
        publish: input.Publish === true,
      },
    );
    sendJson(request, 200, configurationOf(this.#granted(answer, request, target), this.#region));
  }

  async updateConfiguration(request: RouteRequest): Promise<void> {
    const input = parseInput(updateSettingsInput, request.body);
    const violations = new Violations();
    validateSettings(input, violations);
    violations.check();
    const target = this.#target(request, NAME_LENGTH_MAX);
    requireUnqualified(target);
    this.#require(request, target);
    const { accountId } = request.principal;
    const change = settingsOf(input);
    if (change.runtime !== undefined) await this.#prepare(request, change.runtime);
    const answer = await this.#catalog.updateSettings(accountId, target.name, change, {
      revisionId: input.RevisionId,
    });
    sendJson(request, 200, configurationOf(this.#granted(answer, request, target), this.#region));
  }

  /** Before a function gets this runtime. @throws LambdaError when it cannot have it here. */
  async #prepare({ principal }: RouteRequest, runtime: RuntimeName): Promise<void> {
    const refusal = await this.#runtimes?.prepare(principal.accountId, runtime);
    if (refusal !== undefined) throw invalidParameter(refusal);
  }

  async delete(request: RouteRequest): Promise<void> {
    const target = this.#target(request, NAME_LENGTH_MAX);
    this.#require(request, { name: target.name, qualifier: undefined });
    if (target.qualifier === "$LATEST") {
      throw invalidParameter("$LATEST version cannot be deleted without deleting the function.");
    }
    // No version was ever published, and deleting one that is not there succeeds.
    if (target.qualifier !== undefined) return sendEmpty(request, 204);
    this.#granted(await this.#catalog.delete(request.principal.accountId, target.name), request, target);
    sendEmpty(request, 204);
  }

  #target(request: RouteRequest, lengthMax: number, name = request.params["FunctionName"] ?? ""): FunctionTarget {
    const owner = { accountId: request.principal.accountId, region: this.#region };
    return targetOf(name, request.query.get("Qualifier"), owner, lengthMax);
  }

  #find(request: RouteRequest): FunctionDescription {
    const target = this.#target(request, NAMESPACED_NAME_LENGTH_MAX);
    const description = this.#require(request, target);
    if (target.qualifier === undefined) return description;
    if (target.qualifier !== "$LATEST") throw functionMissing(description.arn, target.qualifier);
    return { ...description, arn: `${description.arn}:$LATEST` };
  }

  /** @throws LambdaError ResourceNotFoundException. */
  #require(request: RouteRequest, target: FunctionTarget): FunctionDescription {
    const { accountId } = request.principal;
    const description = this.#catalog.get(accountId, target.name);
    if (description === undefined) throw functionMissing(arnOf(this.#region, accountId, target.name), target.qualifier);
    return description;
  }

  #granted(
    answer: CatalogAnswer<FunctionDescription>,
    request: RouteRequest,
    target: FunctionTarget,
  ): FunctionDescription {
    return grantedOf(answer, { arn: arnOf(this.#region, request.principal.accountId, target.name), name: target.name });
  }
}

/** What AWS answers for members that were not given. */
function defaultSettings(name: string): Omit<FunctionSettings, "runtime" | "handler" | "role" | "architecture"> {
  return {
    description: "",
    timeoutMs: 3000,
    memoryMiB: 128,
    ephemeralStorageMiB: 512,
    environment: undefined,
    tracingMode: "PassThrough",
    snapStart: "None",
    logGroup: `/aws/lambda/${name}`,
  };
}

function architectureOf(architectures: readonly string[] | undefined): FunctionSettings["architecture"] | undefined {
  return architectures?.[0] as FunctionSettings["architecture"] | undefined;
}

function zipWithinLimit(zip: Buffer): Buffer {
  if (zip.length > ZIP_BYTES_MAX) throw tooLarge(`Zipped size must be smaller than ${ZIP_BYTES_MAX} bytes`);
  return zip;
}

/** Unlike other lengths, AWS reports this one as an invalid parameter. */
function checkPlainLength(name: string): void {
  if (name.length <= PLAIN_NAME_LENGTH_MAX) return;
  throw invalidParameter(
    `1 validation error detected: Value '${name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to ${PLAIN_NAME_LENGTH_MAX}`,
  );
}

/** A marker is the last name of its page: it stays good while functions come and go. */
function markerOf(name: string): string {
  return Buffer.from(name).toString("base64url");
}

function afterNameOf(marker: string | null): string {
  return marker === null ? "" : Buffer.from(marker, "base64url").toString();
}
