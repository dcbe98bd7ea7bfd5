import type { EventSources } from "../../ports/event-source.ts";
import { type FunctionCatalog, TAGS_MAX } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { checkDeadlineTag } from "./deadline.ts";
import { parseInput, tagInput } from "./function-input.ts";
import { functionMissing, NAMESPACED_NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf, grantedOf, sourceArnOf } from "./granted.ts";
import { invalidParameter, notFound } from "./lambda-error.ts";
import { sendEmpty, sendJson } from "./send.ts";

type Tags = Readonly<Record<string, string>>;

export type TagRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly sources: EventSources;
  readonly region: string;
};

/** What may have tags; its methods throw LambdaError when it is not there. */
type Tagged = {
  tags(): Tags;
  add(tags: Tags): Promise<void>;
  remove(keys: readonly string[]): Promise<void>;
};

/** Adds the operations on tags of functions and event-source mappings, which they name by ARN. */
export function addTagRoutes(server: HttpServer, options: TagRoutesOptions): void {
  const path = "/2017-03-31/tags/:ARN";
  const taggedOf = (request: RouteRequest): Tagged => {
    const text = request.params["ARN"] ?? "";
    checkInput("ListTags", { Resource: text });
    if (text.includes(":event-source-mapping:")) return taggedSource(options, request, text);
    if (text.includes(":capacity-provider:")) throw notFound(`Capacity provider not found: ${text}`);
    return taggedFunction(options, request, text);
  };

  server.addRoute("GET", path, (request) => sendJson(request, 200, { Tags: taggedOf(request).tags() }));

  server.addRoute("POST", path, async (request) => {
    const { Tags } = parseInput(tagInput, request.body);
    checkInput("TagResource", { Tags }, ["Resource"]);
    const tagged = taggedOf(request);
    const tags = Tags ?? {};
    if (Object.keys(tags).length > TAGS_MAX) throw tooManyTags();
    await tagged.add(tags);
    sendEmpty(request, 204);
  });

  server.addRoute("DELETE", path, async (request) => {
    const keys = request.query.getAll("tagKeys");
    checkInput("UntagResource", { TagKeys: keys.length === 0 ? null : keys }, ["Resource"]);
    await taggedOf(request).remove(keys);
    sendEmpty(request, 204);
  });
}

/** @throws LambdaError for what is no function's ARN. */
function taggedFunction({ catalog, region }: TagRoutesOptions, { principal }: RouteRequest, text: string): Tagged {
  const { accountId } = principal;
  if (!text.includes(":function:")) throw functionMissing(text, undefined);
  const { name, qualifier } = targetOf(text, null, { accountId, region }, NAMESPACED_NAME_LENGTH_MAX);
  if (qualifier !== undefined) {
    throw invalidParameter("Tags on function aliases and versions are not supported. Please specify a function ARN.");
  }
  const arn = arnOf(region, accountId, name);
  return {
    tags: () => {
      const description = catalog.get(accountId, name);
      if (description === undefined) throw functionMissing(arn, undefined);
      return description.tags;
    },
    add: async (tags) => {
      // Lambda's text; it says no more.
      if (Object.keys(tags).length === 0)
        throw invalidParameter("An error occurred and the request cannot be processed.");
      checkDeadlineTag(tags);
      grantedOf(await catalog.setTags(accountId, name, tags), { arn, name });
    },
    remove: async (keys) => {
      grantedOf(await catalog.removeTags(accountId, name, keys), { arn, name });
    },
  };
}

/** @throws LambdaError for an ARN of another account or region. */
function taggedSource({ sources, region }: TagRoutesOptions, { principal }: RouteRequest, text: string): Tagged {
  const { accountId } = principal;
  const uuid = text.slice(text.lastIndexOf(":") + 1);
  const missing = () => notFound(`Event source mapping not found: ${text}`);
  if (text !== sourceArnOf(region, accountId, uuid)) throw missing();
  const tags = () => {
    const found = sources.get(accountId, uuid);
    if (found === undefined) throw missing();
    return found.tags;
  };
  const set = async (wanted: Tags) => {
    if (Object.keys(wanted).length > TAGS_MAX) throw tooManyTags();
    if (!(await sources.setTags(accountId, uuid, wanted))) throw missing();
  };
  return {
    tags,
    add: (added) => set({ ...tags(), ...added }),
    remove: (keys) => set(Object.fromEntries(Object.entries(tags()).filter(([key]) => !keys.includes(key)))),
  };
}

function tooManyTags(): Error {
  return invalidParameter("Number of tags exceeds resource tag limit.");
}
