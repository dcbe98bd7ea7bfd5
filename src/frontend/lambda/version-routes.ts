import { z } from "zod";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { configurationOf, listedConfigurationOf } from "./function-configuration.ts";
import { optional, parseInput } from "./function-input.ts";
import { functionMissing } from "./function-name.ts";
import { FunctionRequests } from "./function-request.ts";
import { grantedOf } from "./granted.ts";
import { pageOf, pageQueryOf } from "./list-page.ts";
import { sendJson } from "./send.ts";

const publishInput = z.object({
  CodeSha256: optional(z.string()),
  Description: optional(z.string()),
  RevisionId: optional(z.string()),
});

/** Adds the operations that publish and list versions; they are read, invoked and deleted as functions are. */
export function addVersionRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const functions = new FunctionRequests(catalog, region);
  const path = "/2015-03-31/functions/:FunctionName/versions";

  server.addRoute("POST", path, async (request) => {
    const input = parseInput(publishInput, request.body);
    checkInput("PublishVersion", input, ["FunctionName"]);
    const { name, arn } = functions.unqualified(request);
    const { CodeSha256: codeSha256, Description: description, RevisionId: revisionId } = input;
    const answer = await catalog.publish(request.principal.accountId, name, { codeSha256, description, revisionId });
    const version = grantedOf(answer, { arn, name, codeSha256 });
    sendJson(request, 201, configurationOf(version, region, version.version));
  });

  server.addRoute("GET", path, (request) => {
    const page = pageQueryOf(request, "ListVersionsByFunction");
    const { name, arn } = functions.unqualified(request);
    const { accountId } = request.principal;
    // A marker is a number; that of $LATEST is 0.
    const after = page.after === undefined ? undefined : Number(page.after) || 0;
    const found = catalog.listVersions(accountId, name, after, page.count + 1);
    if (found === undefined) throw functionMissing(arn, undefined);
    const { members, next } = pageOf(found, page, ({ version }) => (version === "$LATEST" ? "0" : version));
    const versions = members.map((member) => listedConfigurationOf(member, member.version));
    sendJson(request, 200, { Versions: versions, ...next });
  });
}
