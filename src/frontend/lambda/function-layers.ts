import type { FunctionLayer } from "../../ports/function-catalog.ts";
import type { LayerCatalog } from "../../ports/layer-catalog.ts";
import { invalidParameter } from "./lambda-error.ts";
import { LAYER_VERSION_ARN_PATTERN, type LayerAsker, layerForbidden, parseLayerArn } from "./layer-name.ts";
import type { Violations } from "./violation.ts";

/** Of one function, as Lambda limits them. */
const LAYERS_MAX = 5;
const ARN_LENGTH_MAX = 2048;

/** Adds what a front door refuses by itself. */
export function validateLayers(arns: readonly string[] | undefined, violations: Violations): void {
  const pattern = new RegExp(`^(?:${LAYER_VERSION_ARN_PATTERN})$`);
  if (arns?.every((arn) => arn.length <= ARN_LENGTH_MAX && pattern.test(arn)) !== false) return;
  violations.add(
    arns,
    "layers",
    `Member must satisfy constraint: [Member must have length less than or equal to ${ARN_LENGTH_MAX}, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ${LAYER_VERSION_ARN_PATTERN}, Member must not be null]`,
  );
}

/** The versions of layers that a request names, in its order. @throws LambdaError when the asker cannot have them all. */
export function layersOf(arns: readonly string[], asker: LayerAsker, layers: LayerCatalog): FunctionLayer[] {
  if (arns.length > LAYERS_MAX) throw invalidParameter(`Cannot reference more than ${LAYERS_MAX} layers.`);
  const seen = new Map<string, string>();
  return arns.map((arn) => {
    const found = layerIn(arn, asker, layers);
    const layer = arn.slice(0, arn.lastIndexOf(":"));
    const other = seen.get(layer);
    if (other !== undefined) {
      throw invalidParameter(
        `Two different versions of the same layer are not allowed to be referenced in the same function. ${other} and ${arn} are versions of the same layer.`,
      );
    }
    seen.set(layer, arn);
    return found;
  });
}

function layerIn(arn: string, { accountId, region }: LayerAsker, layers: LayerCatalog): FunctionLayer {
  const parsed = parseLayerArn(arn);
  // A name of AWS's own layers: there are none here.
  if (parsed?.version === undefined) throw invalidParameter(`Layer version ${arn} does not exist.`);
  const isOwn = parsed.accountId === accountId;
  if (parsed.region !== region) {
    if (!isOwn) throw layerForbidden(accountId, arn);
    throw invalidParameter(
      `Layers are not in the same region as the function. Layers are expected to be in region ${region}.`,
    );
  }
  const layer = layers.get({ ...parsed, version: parsed.version });
  if (!isOwn && (layer === undefined || !layers.mayGet(layer, accountId))) throw layerForbidden(accountId, arn);
  if (layer === undefined) throw invalidParameter(`Layer version ${arn} does not exist.`);
  return { arn, code: layer.code };
}
