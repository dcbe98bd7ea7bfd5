import { type FunctionCatalog, TAGS_MAX } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkDeadlineTag } from "./deadline.ts";
import { parseInput, tagInput } from "./function-input.ts";
import { functionMissing, NAMESPACED_NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf, grantedOf } from "./granted.ts";
import { invalidParameter } from "./lambda-error.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const FUNCTION_ARN_PATTERN =
  "arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})";

/** Adds the operations on a function's tags; they name the function by its ARN. */
export function addTagRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const path = "/2017-03-31/tags/:ARN";

  const functionOf = ({ params, principal }: RouteRequest): { name: string; arn: string } => {
    const text = params["ARN"] ?? "";
    const violations = new Violations();
    violations.matches(text, "resource", FUNCTION_ARN_PATTERN);
    violations.check();
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
    const violations = new Violations();
    violations.required(tags, "tags");
    violations.check();
    const { name, arn } = functionOf(request);
    if (Object.keys(tags ?? {}).length > TAGS_MAX) throw invalidParameter("Number of tags exceeds resource tag limit.");
    checkDeadlineTag(tags ?? {});
    grantedOf(await catalog.setTags(request.principal.accountId, name, tags ?? {}), { arn, name });
    sendEmpty(request, 204);
  });

  server.addRoute("DELETE", path, async (request) => {
    const keys = request.query.getAll("tagKeys");
    const violations = new Violations();
    violations.required(keys.length === 0 ? null : keys, "tagKeys");
    violations.check();
    const { name, arn } = functionOf(request);
    grantedOf(await catalog.removeTags(request.principal.accountId, name, keys), { arn, name });
    sendEmpty(request, 204);
  });
}
