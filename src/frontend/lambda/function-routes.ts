import { containerRuntimeOf, type FunctionRuntime } from "../../model/function-runtime.ts";
import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import type { Clock } from "../../ports/clock.ts";
import type { FunctionCatalog, FunctionDescription, FunctionSettings } from "../../ports/function-catalog.ts";
import type { LayerCatalog } from "../../ports/layer-catalog.ts";
import type { ObjectSource } from "../../ports/object-source.ts";
import type { RuntimeSupply } from "../../ports/runtime-supply.ts";
import type { BodyLimit, HttpServer, RouteRequest } from "../http-server.ts";
import { archiveAt } from "./code-archive.ts";
import type { CodeLocation } from "./code-location.ts";
import { codeSigningMissing } from "./code-signing-routes.ts";
import { checkInput } from "./constraints.ts";
import { checkDeadlineTag } from "./deadline.ts";
import { configurationOf, listedConfigurationOf } from "./function-configuration.ts";
import {
  codePlaceOf,
  createInput,
  parseInput,
  settingsOf,
  updateCodeInput,
  updateSettingsInput,
} from "./function-input.ts";
import { layersOf, validateLayers } from "./function-layers.ts";
import { type FunctionTarget, requireUnqualified } from "./function-name.ts";
import { FunctionRequests } from "./function-request.ts";
import { grantedOf } from "./granted.ts";
import { invalidParameter, tooLarge } from "./lambda-error.ts";
import { pageOf, pageQueryOf } from "./list-page.ts";
import type { RuntimePolicy } from "./runtimes.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

/** Lambda's limit of a request with code in it. */
const CODE_REQUEST_BYTES_MAX = 70_167_211;
/** Longest plain name. */
const PLAIN_NAME_LENGTH_MAX = 64;
/** Header of an answer about one function: MiB that its next container gets. */
const EFFECTIVE_MEMORY = "X-Hearth-Effective-Memory";

export type FunctionRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly layers: LayerCatalog;
  readonly codeLocation: CodeLocation;
  /** Where code comes from that is said to be in a bucket. */
  readonly objects: ObjectSource;
  readonly clock: Clock;
  readonly region: string;
  effectiveMemoryMiB(description: FunctionDescription): number;
  /** undefined: every runtime is there. */
  readonly runtimes?: RuntimeSupply | undefined;
  readonly allowDeprecatedRuntimes: boolean;
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

/** Of a request with an archive in it. */
export function codeLimit(operation: string): BodyLimit {
  const limit = {
    bytesMax: CODE_REQUEST_BYTES_MAX,
    error: () =>
      tooLarge(`Request must be smaller than ${CODE_REQUEST_BYTES_MAX} bytes for the ${operation} operation`),
  };
  return () => limit;
}

class FunctionOperations {
  readonly #options: FunctionRoutesOptions;
  readonly #catalog: FunctionCatalog;
  readonly #functions: FunctionRequests;

  constructor(options: FunctionRoutesOptions) {
    this.#options = options;
    this.#catalog = options.catalog;
    this.#functions = new FunctionRequests(options.catalog, options.region);
  }

  async create(request: RouteRequest): Promise<void> {
    const input = parseInput(createInput, request.body);
    // The runtime, layers and a name have answers of their own.
    const checkedByName = input.FunctionName === undefined ? [] : ["FunctionName"];
    checkInput("CreateFunction", input, ["Runtime", "Layers", ...checkedByName]);
    const target = this.#functions.target(request, input.FunctionName ?? "");
    requireUnqualified(target);
    checkPlainLength(target.name);
    if (input.PackageType === "Image") throw invalidParameter("PackageType Image is not supported by this server.");
    if (input.CodeSigningConfigArn !== undefined) throw codeSigningMissing(input.CodeSigningConfigArn);
    const given = settingsOf(input, this.#runtimePolicy());
    if (given.runtime === undefined || given.handler === undefined) {
      throw invalidParameter(
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
      );
    }
    const { Tags: tags = {} } = input;
    checkDeadlineTag(tags);
    const architecture = architectureOf(input.Architectures) ?? "x86_64";
    const layers = this.#layersOf(input.Layers, request);
    const settings = { ...defaultSettings(target.name), ...given, ...layers, architecture } as FunctionSettings;
    const zip = await archiveAt(codePlaceOf(input.Code), this.#options.objects);
    await this.#prepare(request, given.runtime);
    const { accountId } = request.principal;
    const publish = input.Publish === true;
    const answer = await this.#catalog.create(accountId, target.name, settings, zip, tags, publish);
    sendJson(request, 201, this.#granted(answer, request, target.name));
  }

  get(request: RouteRequest): void {
    const { target, description } = this.#find(request);
    this.#tellEffective(request, description);
    const { host } = request.req.headers;
    const { accountId } = request.principal;
    const reserved = this.#catalog.concurrency.reserved(accountId, target.name);
    sendJson(request, 200, {
      Configuration: configurationOf(description, this.#options.region, target.qualifier),
      Code: { RepositoryType: "S3", Location: this.#options.codeLocation.url(description.code.sha256Hex, host) },
      ...(Object.keys(description.tags).length === 0 ? {} : { Tags: description.tags }),
      ...(reserved === undefined ? {} : { Concurrency: { ReservedConcurrentExecutions: reserved } }),
    });
  }

  getConfiguration(request: RouteRequest): void {
    const { target, description } = this.#find(request);
    this.#tellEffective(request, description);
    sendJson(request, 200, configurationOf(description, this.#options.region, target.qualifier));
  }

  /** The body states what was requested, as clients expect it. */
  #tellEffective({ res }: RouteRequest, description: FunctionDescription): void {
    res.setHeader(EFFECTIVE_MEMORY, String(this.#options.effectiveMemoryMiB(description)));
  }

  list(request: RouteRequest): void {
    const page = pageQueryOf(request, "ListFunctions", ["FunctionVersion", "MasterRegion"]);
    const { accountId } = request.principal;
    if (request.query.has("FunctionVersion")) {
      const [name = "", version] = page.after?.split(":") ?? [];
      const found = this.#catalog.listAll(accountId, name, Number(version) || 0, page.count + 1);
      const { members, next } = pageOf(found, page, ({ name: of, version: number }) => `${of}:${number}`);
      const functions = members.map((each) => listedConfigurationOf(each, each.version));
      return sendJson(request, 200, { Functions: functions, ...next });
    }
    const found = this.#catalog.list(accountId, page.after ?? "", page.count + 1);
    const { members, next } = pageOf(found, page, ({ name }) => name);
    sendJson(request, 200, { Functions: members.map((each) => listedConfigurationOf(each)), ...next });
  }

  async updateCode(request: RouteRequest): Promise<void> {
    const input = parseInput(updateCodeInput, request.body);
    checkInput("UpdateFunctionCode", input, ["FunctionName"]);
    const { name } = this.#functions.unqualified(request);
    if (input.ImageUri !== undefined) {
      throw invalidParameter("Please don't provide ImageUri when updating a function with packageType Zip.");
    }
    const zip = await archiveAt(codePlaceOf(input), this.#options.objects);
    const publish = input.Publish === true;
    const answer = await this.#catalog.updateCode(request.principal.accountId, name, zip, {
      revisionId: input.RevisionId,
      dryRun: input.DryRun === true,
      architecture: architectureOf(input.Architectures),
      publish,
    });
    sendJson(request, 200, this.#granted(answer, request, name, publish && input.DryRun !== true));
  }

  async updateConfiguration(request: RouteRequest): Promise<void> {
    const input = parseInput(updateSettingsInput, request.body);
    checkInput("UpdateFunctionConfiguration", input, ["FunctionName", "Runtime", "Layers"]);
    const { name } = this.#functions.unqualified(request);
    const { accountId } = request.principal;
    const before = this.#catalog.get(accountId, name)?.settings;
    const change = { ...settingsOf(input, this.#runtimePolicy(), before), ...this.#layersOf(input.Layers, request) };
    if (change.runtime !== undefined) await this.#prepare(request, change.runtime);
    const answer = await this.#catalog.updateSettings(accountId, name, change, { revisionId: input.RevisionId });
    sendJson(request, 200, this.#granted(answer, request, name));
  }

  /** Before a function gets this runtime. @throws LambdaError when it cannot have it here. */
  async #prepare({ principal }: RouteRequest, runtime: FunctionRuntime): Promise<void> {
    const refusal = await this.#options.runtimes?.prepare(principal.accountId, containerRuntimeOf(runtime));
    if (refusal !== undefined) throw invalidParameter(refusal);
  }

  async delete(request: RouteRequest): Promise<void> {
    const { name, qualifier } = this.#functions.target(request);
    if (qualifier === "$LATEST") {
      throw invalidParameter("$LATEST version cannot be deleted without deleting the function.");
    }
    this.#functions.require(request, { name, qualifier: undefined });
    const { accountId } = request.principal;
    const subject = { arn: this.#functions.arn(request, name), name };
    // Deleting a version that is not there succeeds.
    if (qualifier === undefined) grantedOf(await this.#catalog.delete(accountId, name), subject);
    else grantedOf(await this.#catalog.deleteVersion(accountId, name, qualifier), subject);
    sendEmpty(request, 204);
  }

  /** Nothing when the request does not say. @throws LambdaError. */
  #layersOf(arns: readonly string[] | undefined, { principal }: RouteRequest): Pick<FunctionSettings, "layers"> {
    if (arns === undefined) return {};
    const violations = new Violations();
    validateLayers(arns, violations);
    violations.check();
    const { layers, region } = this.#options;
    return { layers: layersOf(arns, { accountId: principal.accountId, region }, layers) };
  }

  /** @throws LambdaError ResourceNotFoundException. */
  #find(request: RouteRequest): { readonly target: FunctionTarget; readonly description: FunctionDescription } {
    const target = this.#functions.readable(request);
    return { target, description: this.#functions.require(request, target) };
  }

  #runtimePolicy(): RuntimePolicy {
    const { allowDeprecatedRuntimes, clock } = this.#options;
    return { allowDeprecated: allowDeprecatedRuntimes, nowMs: clock.nowMs() };
  }

  /** What a change made. @param isQualified whether its ARN is shown with its version. */
  #granted(
    answer: CatalogAnswer<FunctionDescription>,
    request: RouteRequest,
    name: string,
    isQualified = false,
  ): Record<string, unknown> {
    const description = grantedOf(answer, { arn: this.#functions.arn(request, name), name });
    return configurationOf(description, this.#options.region, isQualified ? description.version : undefined);
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

/** Unlike other lengths, AWS reports this one as an invalid parameter. */
function checkPlainLength(name: string): void {
  if (name.length <= PLAIN_NAME_LENGTH_MAX) return;
  throw invalidParameter(
    `1 validation error detected: Value '${name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to ${PLAIN_NAME_LENGTH_MAX}`,
  );
}
