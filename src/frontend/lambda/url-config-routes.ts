import { z } from "zod";
import type { FunctionUrlAuthType } from "../../model/resource-policy.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type {
  Cors,
  FunctionUrl,
  FunctionUrlSettings,
  FunctionUrls,
  FunctionUrlTarget,
  InvokeMode,
} from "../../ports/function-urls.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import type { UrlAddress } from "../url/url-address.ts";
import { optional, parseInput } from "./function-input.ts";
import { NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf } from "./granted.ts";
import { conflict, notFound } from "./lambda-error.ts";
import { AUTH_TYPES } from "./permission-routes.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const ALIAS_PATTERN = "((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
/** In the order in which AWS names them. */
const INVOKE_MODES = ["RESPONSE_STREAM", "BUFFERED"] as const satisfies InvokeMode[];
const PAGE_MAX = 50;
const CORS_ITEMS_MAX = 100;
const CORS_METHODS_MAX = 6;
const CORS_MAX_AGE_S_MAX = 86_400;

const corsInput = z.object({
  AllowCredentials: optional(z.boolean()),
  AllowHeaders: optional(z.array(z.string())),
  AllowMethods: optional(z.array(z.string())),
  AllowOrigins: optional(z.array(z.string())),
  ExposeHeaders: optional(z.array(z.string())),
  MaxAge: optional(z.int()),
});
const urlInput = z.object({
  AuthType: optional(z.string()),
  InvokeMode: optional(z.string()),
  Cors: optional(corsInput),
});
type UrlInput = z.output<typeof urlInput>;

export type UrlConfigRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly urls: FunctionUrls;
  readonly address: UrlAddress;
  readonly region: string;
};

/** Adds the operations on the URLs of functions and aliases. */
export function addUrlConfigRoutes(
  server: HttpServer,
  { catalog, urls, address, region }: UrlConfigRoutesOptions,
): void {
  const path = "/2021-10-31/functions/:FunctionName/url";

  const urlTargetOf = ({ params, query, principal: { accountId } }: RouteRequest): FunctionUrlTarget => {
    const given = query.get("Qualifier");
    const violations = new Violations();
    violations.length(given ?? undefined, "qualifier", 1, 128);
    violations.matches(given ?? undefined, "qualifier", ALIAS_PATTERN);
    violations.check();
    const target = targetOf(params["FunctionName"] ?? "", given, { accountId, region }, NAME_LENGTH_MAX);
    const violationsOfName = new Violations();
    violationsOfName.matches(target.qualifier, "qualifier", ALIAS_PATTERN);
    violationsOfName.check();
    return { accountId, name: target.name, qualifier: target.qualifier };
  };
  const requireFunction = ({ accountId, name, qualifier }: FunctionUrlTarget) => {
    if (catalog.get(accountId, name, qualifier) === undefined) throw notFound("Function does not exist");
  };
  const gone = () => notFound("The resource you requested does not exist.");
  const shown = (url: FunctionUrl, { req }: RouteRequest) => {
    const { accountId, name, qualifier } = url;
    const arn = arnOf(region, accountId, name);
    return {
      FunctionUrl: address.show(url.id, req.headers.host),
      FunctionArn: qualifier === undefined ? arn : `${arn}:${qualifier}`,
      AuthType: url.authType,
      ...(url.cors === undefined ? {} : { Cors: shownCors(url.cors) }),
      CreationTime: new Date(url.createdMs).toISOString(),
      InvokeMode: url.invokeMode,
    };
  };
  const shownWhole = (url: FunctionUrl, request: RouteRequest) => ({
    ...shown(url, request),
    LastModifiedTime: new Date(url.modifiedMs).toISOString(),
  });

  server.addRoute("POST", path, async (request) => {
    const input = parseInput(urlInput, request.body);
    const violations = new Violations();
    violations.required(input.AuthType, "authType");
    validate(input, violations);
    violations.check();
    const target = urlTargetOf(request);
    requireFunction(target);
    const change = settingsOf(input);
    const settings: FunctionUrlSettings = { authType: "AWS_IAM", invokeMode: "BUFFERED", cors: undefined, ...change };
    const url = await urls.create(target, settings);
    if (url !== undefined) return sendJson(request, 201, shown(url, request));
    const arn = arnOf(region, target.accountId, target.name);
    const functionArn = target.qualifier === undefined ? arn : `${arn}:${target.qualifier}`;
    throw conflict(
      `Failed to create function url config for [functionArn = ${functionArn}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
    );
  });

  server.addRoute("GET", path, (request) => {
    const url = urls.get(urlTargetOf(request));
    if (url === undefined) throw gone();
    sendJson(request, 200, shownWhole(url, request));
  });

  server.addRoute("PUT", path, async (request) => {
    const input = parseInput(urlInput, request.body);
    const violations = new Violations();
    validate(input, violations);
    violations.check();
    const target = urlTargetOf(request);
    requireFunction(target);
    const url = await urls.update(target, settingsOf(input));
    if (url === undefined) throw gone();
    sendJson(request, 200, shownWhole(url, request));
  });

  server.addRoute("DELETE", path, async (request) => {
    if (!(await urls.delete(urlTargetOf(request)))) throw gone();
    sendEmpty(request, 204);
  });

  server.addRoute("GET", `${path}s`, (request) => {
    const { query, principal } = request;
    const maxItems = query.get("MaxItems") ?? undefined;
    const count = maxItems === undefined ? PAGE_MAX : Number(maxItems);
    const violations = new Violations();
    if (Number.isInteger(count)) violations.range(count, "maxItems", 1, PAGE_MAX);
    else violations.add(maxItems, "maxItems", "Member must be an integer");
    violations.check();
    const { accountId, name } = urlTargetOf(request);
    requireFunction({ accountId: principal.accountId, name, qualifier: undefined });
    // A marker is the last alias of its page: it stays good while URLs come and go. Clients take an empty one for none.
    const marker = query.get("Marker");
    const after = marker === null ? undefined : Buffer.from(marker, "base64url").toString().slice(1);
    const rest = urls.list(accountId, name).filter(({ qualifier = "" }) => after === undefined || qualifier > after);
    const page = rest.slice(0, count);
    const last = `:${page.at(-1)?.qualifier ?? ""}`;
    sendJson(request, 200, {
      FunctionUrlConfigs: page.map((url) => shownWhole(url, request)),
      ...(rest.length > count ? { NextMarker: Buffer.from(last).toString("base64url") } : {}),
    });
  });
}

function validate(input: UrlInput, violations: Violations): void {
  violations.oneOf(input.AuthType, "authType", AUTH_TYPES);
  violations.oneOf(input.InvokeMode, "invokeMode", INVOKE_MODES);
  violations.length(input.Cors?.AllowHeaders, "cors.allowHeaders", 0, CORS_ITEMS_MAX);
  violations.length(input.Cors?.AllowMethods, "cors.allowMethods", 0, CORS_METHODS_MAX);
  violations.length(input.Cors?.AllowOrigins, "cors.allowOrigins", 0, CORS_ITEMS_MAX);
  violations.length(input.Cors?.ExposeHeaders, "cors.exposeHeaders", 0, CORS_ITEMS_MAX);
  violations.range(input.Cors?.MaxAge, "cors.maxAge", 0, CORS_MAX_AGE_S_MAX);
  const members = {
    allowHeaders: input.Cors?.AllowHeaders,
    allowMethods: input.Cors?.AllowMethods,
    allowOrigins: input.Cors?.AllowOrigins,
    exposeHeaders: input.Cors?.ExposeHeaders,
  };
  for (const [name, values] of Object.entries(members)) {
    // They become headers of answers.
    const pattern = name === "allowOrigins" ? /^[\x21-\x7e]{1,253}$/ : /^[\x21-\x7e]{1,1024}$/;
    if (values?.some((value) => !pattern.test(value)) !== true) continue;
    violations.add(
      values,
      `cors.${name}`,
      "Member must satisfy constraint: [Member must satisfy regular expression pattern: .*]",
    );
  }
}

/** An empty Cors takes the settings away. */
function settingsOf({ AuthType, InvokeMode: mode, Cors: cors }: UrlInput): Partial<FunctionUrlSettings> {
  return {
    ...(AuthType === undefined ? {} : { authType: AuthType as FunctionUrlAuthType }),
    ...(mode === undefined ? {} : { invokeMode: mode as InvokeMode }),
    ...(cors === undefined ? {} : { cors: corsOf(cors) }),
  };
}

function corsOf(input: z.output<typeof corsInput>): Cors | undefined {
  if (Object.values(input).every((member) => member === undefined)) return undefined;
  return {
    allowCredentials: input.AllowCredentials,
    allowHeaders: input.AllowHeaders,
    allowMethods: input.AllowMethods,
    allowOrigins: input.AllowOrigins,
    exposeHeaders: input.ExposeHeaders,
    maxAgeS: input.MaxAge,
  };
}

function shownCors(cors: Cors): object {
  return {
    AllowCredentials: cors.allowCredentials,
    AllowHeaders: cors.allowHeaders,
    AllowMethods: cors.allowMethods,
    AllowOrigins: cors.allowOrigins,
    ExposeHeaders: cors.exposeHeaders,
    MaxAge: cors.maxAgeS,
  };
}
