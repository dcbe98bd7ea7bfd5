import { z } from "zod";
import type { LayerCatalog, LayerFilter, LayerVersion } from "../../ports/layer-catalog.ts";
import type { ObjectSource } from "../../ports/object-source.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { archiveAt } from "./code-archive.ts";
import type { CodeLocation } from "./code-location.ts";
import { codePlaceOf, optional, parseInput } from "./function-input.ts";
import { codeLimit } from "./function-routes.ts";
import {
  LAYER_VERSION_ARN_PATTERN,
  layerArn,
  layerForbidden,
  layerMissing,
  layerOf,
  layerVersionArn,
  layerVersionNumber,
  parseLayerArn,
} from "./layer-name.ts";
import { LAYER_RUNTIMES, LISTED_RUNTIMES } from "./layer-runtimes.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const ARCHITECTURES = ["x86_64", "arm64"] as const;
const DESCRIPTION_LENGTH_MAX = 256;
const LICENSE_LENGTH_MAX = 512;
const RUNTIMES_MAX = 15;
const PAGE_MAX = 50;

export type LayerRoutesOptions = {
  readonly layers: LayerCatalog;
  /** Where archives are that requests name instead of sending them. */
  readonly objects: ObjectSource;
  readonly codeLocation: CodeLocation;
  readonly region: string;
};

const publishInput = z.object({
  Description: optional(z.string()),
  Content: optional(
    z.object({
      ZipFile: optional(z.string()),
      S3Bucket: optional(z.string()),
      S3Key: optional(z.string()),
      S3ObjectVersion: optional(z.string()),
    }),
  ),
  CompatibleRuntimes: optional(z.array(z.string())),
  CompatibleArchitectures: optional(z.array(z.string())),
  LicenseInfo: optional(z.string()),
});

/** Adds the operations that publish, show and delete versions of layers. */
export function addLayerRoutes(server: HttpServer, options: LayerRoutesOptions): void {
  const operations = new LayerOperations(options);
  const layers = "/2018-10-31/layers";
  const versions = `${layers}/:LayerName/versions`;
  const one = `${versions}/:VersionNumber`;
  server.addRoute("GET", layers, (request) =>
    request.query.get("find") === "LayerVersion" ? operations.getByArn(request) : operations.list(request),
  );
  server.addRoute("POST", versions, (request) => operations.publish(request), {
    bodyLimit: codeLimit("PublishLayerVersion"),
  });
  server.addRoute("GET", versions, (request) => operations.listVersions(request));
  server.addRoute("GET", one, (request) => operations.get(request));
  server.addRoute("DELETE", one, (request) => operations.delete(request));
}

class LayerOperations {
  readonly #layers: LayerCatalog;
  readonly #objects: ObjectSource;
  readonly #codeLocation: CodeLocation;
  readonly #region: string;

  constructor({ layers, objects, codeLocation, region }: LayerRoutesOptions) {
    this.#layers = layers;
    this.#objects = objects;
    this.#codeLocation = codeLocation;
    this.#region = region;
  }

  async publish(request: RouteRequest): Promise<void> {
    const input = parseInput(publishInput, request.body);
    const violations = new Violations();
    violations.required(input.Content, "content");
    violations.length(input.Description, "description", 0, DESCRIPTION_LENGTH_MAX);
    violations.length(input.LicenseInfo, "licenseInfo", 0, LICENSE_LENGTH_MAX);
    violations.length(input.CompatibleRuntimes, "compatibleRuntimes", 0, RUNTIMES_MAX);
    if (input.CompatibleRuntimes?.some((runtime) => !LAYER_RUNTIMES.includes(runtime)) === true) {
      const constraint = `Member must satisfy enum value set: [${LAYER_RUNTIMES.join(", ")}]`;
      violations.add(input.CompatibleRuntimes, "compatibleRuntimes", constraint);
    }
    if (input.CompatibleArchitectures?.some((name) => !isArchitecture(name)) === true) {
      const constraint = `Member must satisfy constraint: [Member must satisfy enum value set: [${ARCHITECTURES.join(", ")}], Member must not be null]`;
      violations.add(input.CompatibleArchitectures, "compatibleArchitectures", constraint);
    }
    violations.check();
    const { accountId, name } = this.#layerOf(request);
    if (accountId !== request.principal.accountId) {
      throw layerForbidden(request.principal.accountId, layerArn(this.#region, { accountId, name }));
    }
    const zip = await archiveAt(codePlaceOf(input.Content), this.#objects);
    const published = await this.#layers.publish(accountId, name, zip, {
      description: input.Description ?? "",
      licenseInfo: input.LicenseInfo,
      compatibleRuntimes: input.CompatibleRuntimes,
      compatibleArchitectures: input.CompatibleArchitectures,
    });
    sendJson(request, 201, this.#whole(published, request));
  }

  get(request: RouteRequest): void {
    const version = layerVersionNumber(request.params["VersionNumber"] ?? "");
    const key = { ...this.#layerOf(request), version };
    const layer = this.#layers.get(key);
    const { accountId } = request.principal;
    if (key.accountId !== accountId && (layer === undefined || !this.#layers.mayGet(layer, accountId))) {
      throw layerForbidden(accountId, layerVersionArn(this.#region, key));
    }
    if (layer === undefined) throw layerMissing();
    sendJson(request, 200, this.#whole(layer, request));
  }

  getByArn(request: RouteRequest): void {
    const text = request.query.get("Arn");
    const violations = new Violations();
    violations.required(text, "arn");
    violations.matches(text ?? undefined, "arn", LAYER_VERSION_ARN_PATTERN);
    violations.check();
    const arn = parseLayerArn(text ?? "");
    if (arn?.version === undefined || arn.region !== this.#region) throw layerMissing();
    const layer = this.#layers.get({ ...arn, version: arn.version });
    const { accountId } = request.principal;
    if (arn.accountId !== accountId && (layer === undefined || !this.#layers.mayGet(layer, accountId))) {
      throw layerForbidden(accountId, text ?? "");
    }
    if (layer === undefined) throw layerMissing();
    sendJson(request, 200, this.#whole(layer, request));
  }

  list(request: RouteRequest): void {
    const { filter, count, marker } = pageOf(request);
    const found = this.#layers.list(request.principal.accountId, filter, marker ?? "", count + 1);
    const page = found.slice(0, count);
    const last = page.at(-1);
    sendJson(request, 200, {
      Layers: page.map((layer) => ({
        LayerName: layer.name,
        LayerArn: layerArn(this.#region, layer),
        LatestMatchingVersion: this.#listed(layer),
      })),
      ...(found.length > count && last !== undefined ? { NextMarker: markerOf(last.name) } : {}),
    });
  }

  listVersions(request: RouteRequest): void {
    const { filter, count, marker } = pageOf(request);
    const { accountId, name } = this.#layerOf(request);
    const before = marker === undefined ? Number.POSITIVE_INFINITY : Number(marker);
    // Of others' layers a version is told of only to whom knows its number.
    const isOwn = accountId === request.principal.accountId;
    const found = isOwn ? this.#layers.listVersions(accountId, name, filter, before, count + 1) : [];
    const page = found.slice(0, count);
    const last = page.at(-1);
    sendJson(request, 200, {
      LayerVersions: page.map((layer) => this.#listed(layer)),
      ...(found.length > count && last !== undefined ? { NextMarker: markerOf(String(last.version)) } : {}),
    });
  }

  async delete(request: RouteRequest): Promise<void> {
    const version = layerVersionNumber(request.params["VersionNumber"] ?? "");
    const key = { ...this.#layerOf(request), version };
    if (key.accountId !== request.principal.accountId) {
      throw layerForbidden(request.principal.accountId, layerVersionArn(this.#region, key));
    }
    await this.#layers.delete(key);
    sendEmpty(request, 204);
  }

  #layerOf({ params, principal }: RouteRequest): { accountId: LayerVersion["accountId"]; name: string } {
    return layerOf(params["LayerName"] ?? "", { accountId: principal.accountId, region: this.#region });
  }

  #whole(layer: LayerVersion, { req }: RouteRequest): object {
    const { sha256Hex, codeSizeBytes } = layer.code;
    return {
      Content: {
        Location: this.#codeLocation.url(sha256Hex, req.headers.host),
        CodeSha256: Buffer.from(sha256Hex, "hex").toString("base64"),
        CodeSize: codeSizeBytes,
      },
      LayerArn: layerArn(this.#region, layer),
      ...this.#listed(layer),
    };
  }

  #listed(layer: LayerVersion): object {
    return {
      LayerVersionArn: layerVersionArn(this.#region, layer),
      Version: layer.version,
      Description: layer.description,
      CreatedDate: new Date(layer.createdMs).toISOString().replace("Z", "+0000"),
      CompatibleRuntimes: layer.compatibleRuntimes,
      CompatibleArchitectures: layer.compatibleArchitectures,
      LicenseInfo: layer.licenseInfo,
    };
  }
}

function isArchitecture(name: string): boolean {
  return (ARCHITECTURES as readonly string[]).includes(name);
}

/** What a request for a list asks for. @throws LambdaError. */
function pageOf({ query }: RouteRequest): { filter: LayerFilter; count: number; marker: string | undefined } {
  const compatibleRuntime = query.get("CompatibleRuntime") ?? undefined;
  const compatibleArchitecture = query.get("CompatibleArchitecture") ?? undefined;
  const maxItems = query.get("MaxItems") ?? undefined;
  const count = maxItems === undefined ? PAGE_MAX : Number(maxItems);
  const violations = new Violations();
  violations.oneOf(compatibleRuntime, "compatibleRuntime", LISTED_RUNTIMES);
  violations.oneOf(compatibleArchitecture, "compatibleArchitecture", ARCHITECTURES);
  if (Number.isInteger(count)) violations.range(count, "maxItems", 1, PAGE_MAX);
  else violations.add(maxItems, "maxItems", "Member must be an integer");
  violations.check();
  const marker = query.get("Marker");
  return {
    filter: { compatibleRuntime, compatibleArchitecture },
    count,
    marker: marker === null ? undefined : Buffer.from(marker, "base64url").toString(),
  };
}

/** A marker is what its page ended with: it stays good while layers come and go. */
function markerOf(last: string): string {
  return Buffer.from(last).toString("base64url");
}
