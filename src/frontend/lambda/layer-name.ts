import type { AccountId } from "../../model/ids.ts";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { LayerKey } from "../../ports/layer-catalog.ts";
import { invalidParameter, LambdaError, notFound, serialization } from "./lambda-error.ts";
import { Violations } from "./violation.ts";

/** Lambda's own patterns, as its validation errors show them. */
export const LAYER_VERSION_ARN_PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
const LAYER_NAME_PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
const LAYER_NAME_LENGTH_MAX = 140;
const PARTS = /^arn:[^:]*:lambda:([^:]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d{1,15}))?$/;

/** Who asks, and where. */
export type LayerAsker = { readonly accountId: AccountId; readonly region: string };

/** What a layer's ARN says. */
export type LayerArn = {
  readonly region: string;
  readonly accountId: AccountId;
  readonly name: string;
  /** undefined: the ARN names the layer, not a version of it. */
  readonly version: number | undefined;
};

/** undefined: it is not the ARN of a layer. */
export function parseLayerArn(text: string): LayerArn | undefined {
  const match = PARTS.exec(text);
  if (match === null) return undefined;
  const [, region = "", accountId = DEFAULT_ACCOUNT_ID, name = "", version] = match;
  const number = version === undefined ? undefined : Number(version);
  return { region, accountId: accountId as AccountId, name, version: number };
}

/** The layer that a request names, by name or ARN. @throws LambdaError. */
export function layerOf(text: string, asker: LayerAsker): Pick<LayerKey, "accountId" | "name"> {
  const violations = new Violations();
  violations.length(text, "layerName", 1, LAYER_NAME_LENGTH_MAX);
  violations.matches(text, "layerName", LAYER_NAME_PATTERN);
  violations.check();
  const arn = parseLayerArn(text);
  if (arn === undefined) return { accountId: asker.accountId, name: text };
  if (arn.region !== asker.region) throw layerMissing();
  return arn;
}

/** @throws LambdaError when it is no number from 1 on. */
export function layerVersionNumber(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw serialization(`The layer version ${text} is not a number.`);
  const version = Number(text);
  if (version < 1) throw invalidParameter("Layer Version Cannot be less than 1");
  return version;
}

export function layerMissing(): LambdaError {
  return notFound("The resource you requested does not exist.");
}

/** Of another account's layer that does not let this one have it; and of one that is not there, which looks the same. */
export function layerForbidden(accountId: AccountId, arn: string): LambdaError {
  return new LambdaError(
    "AccessDeniedException",
    403,
    `User: arn:aws:iam::${accountId}:root is not authorized to perform: lambda:GetLayerVersion on resource: ${arn} because no resource-based policy allows the lambda:GetLayerVersion action`,
  );
}

export function layerArn(region: string, { accountId, name }: Pick<LayerKey, "accountId" | "name">): string {
  return `arn:aws:lambda:${region}:${accountId}:layer:${name}`;
}

export function layerVersionArn(region: string, key: LayerKey): string {
  return `${layerArn(region, key)}:${key.version}`;
}
