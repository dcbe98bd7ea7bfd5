import { type FunctionCatalog, TAGS_MAX } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { checkDeadlineTag } from "./deadline.ts";
import { parseInput, tagInput } from "./function-input.ts";
import { functionMissing, NAMESPACED_NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf, grantedOf } from "./granted.ts";
import { invalidParameter, notFound } from "./lambda-error.ts";
import { sendEmpty, sendJson } from "./send.ts";

/** Resources of which there are none here. */
const MISSING: Readonly<Record<string, string>> = {
  "event-source-mapping": "Event source mapping",
  "capacity-provider": "Capacity provider",
};

/** Adds the operations on a function's tags; they name the function by its ARN. */
export function addTagRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const path = "/2017-03-31/tags/:ARN";

  const functionOf = ({ params, principal }: RouteRequest): { name: string; arn: string } => {
    const text = params["ARN"] ?? "";
    checkInput("ListTags", { Resource: text });
    const kind = Object.keys(MISSING).find((each) => text.includes(`:${each}:`));
    if (kind !== undefined) throw notFound(`${MISSING[kind]} not found: ${text}`);
    if (!text.includes(":function:")) throw functionMissing(text, undefined);
    const { name, qualifier } = targetOf(
      text,
      null,
      { accountId: principal.accountId, region },
      NAMESPACED_NAME_LENGTH_MAX,
    );
    if (qualifier !== undefined) {
      throw invalidParameter("Tags on function aliases and versions are not supported. Please specify a function ARN.");
    }
    return { name, arn: arnOf(region, principal.accountId, name) };
  };

  server.addRoute("GET", path, (request) => {
    const { name, arn } = functionOf(request);
    const description = catalog.get(request.principal.accountId, name);
    if (description === undefined) throw functionMissing(arn, undefined);
    sendJson(request, 200, { Tags: description.tags });
  });

  server.addRoute("POST", path, async (request) => {
    const { Tags: tags } = parseInput(tagInput, request.body);
    checkInput("TagResource", { Tags: tags }, ["Resource"]);
    const { name, arn } = functionOf(request);
    if (Object.keys(tags ?? {}).length > TAGS_MAX) throw invalidParameter("Number of tags exceeds resource tag limit.");
    checkDeadlineTag(tags ?? {});
    grantedOf(await catalog.setTags(request.principal.accountId, name, tags ?? {}), { arn, name });
    sendEmpty(request, 204);
  });

  server.addRoute("DELETE", path, async (request) => {
    const keys = request.query.getAll("tagKeys");
    checkInput("UntagResource", { TagKeys: keys.length === 0 ? null : keys }, ["Resource"]);
    const { name, arn } = functionOf(request);
    grantedOf(await catalog.removeTags(request.principal.accountId, name, keys), { arn, name });
    sendEmpty(request, 204);
  });
}
