import { z } from "zod";
import type { LayerCatalog, LayerKey, LayerPolicyAnswer, LayerStatement } from "../../ports/layer-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { optional, parseInput } from "./function-input.ts";
import { conflict, invalidParameter, notFound, preconditionFailed } from "./lambda-error.ts";
import { layerForbidden, layerOf, layerVersionArn, layerVersionNumber } from "./layer-name.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const ACTION = "lambda:GetLayerVersion";
const PRINCIPAL = /^(\*|\d{12}|arn:(aws[a-zA-Z-]*):iam::\d{12}:(root|(user|role)\/[\w+=,.@/-]+))$/;
const STATEMENT_ID_PATTERN = "([a-zA-Z0-9-_]+)";

const addInput = z.object({
  StatementId: optional(z.string()),
  Action: optional(z.string()),
  Principal: optional(z.string()),
  OrganizationId: optional(z.string()),
});

/** Adds the operations on who may get a version of a layer. */
export function addLayerPolicyRoutes(server: HttpServer, layers: LayerCatalog, region: string): void {
  const policy = "/2018-10-31/layers/:LayerName/versions/:VersionNumber/policy";

  const keyOf = ({ params, principal: { accountId } }: RouteRequest): LayerKey => {
    const version = layerVersionNumber(params["VersionNumber"] ?? "");
    const key = { ...layerOf(params["LayerName"] ?? "", { accountId, region }), version };
    if (key.accountId !== accountId) throw layerForbidden(accountId, layerVersionArn(region, key));
    return key;
  };

  const granted = (answer: LayerPolicyAnswer, key: LayerKey, sid: string) => {
    if (answer.kind === "done") return answer.layer;
    switch (answer.why) {
      case "missing":
        throw notFound(`Layer version ${layerVersionArn(region, key)} does not exist.`);
      case "statementExists":
        throw conflict(
          `The statement id (${sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      case "statementMissing":
        throw notFound(`Statement ${sid} is not found in resource policy.`);
      case "revisionMismatch":
        throw preconditionFailed("GetLayerPolicy");
      default:
        throw answer.why satisfies never;
    }
  };

  server.addRoute("POST", policy, async (request) => {
    const input = parseInput(addInput, request.body);
    const { StatementId: sid = "", Action: action, Principal: principal = "", OrganizationId: organizationId } = input;
    const violations = new Violations();
    violations.required(input.StatementId, "statementId");
    violations.required(action, "action");
    violations.required(input.Principal, "principal");
    violations.length(input.StatementId, "statementId", 1, 100);
    violations.matches(input.StatementId, "statementId", STATEMENT_ID_PATTERN);
    violations.matches(action, "action", ACTION);
    violations.matches(organizationId, "organizationId", "o-[a-z0-9]{10,32}");
    violations.check();
    const key = keyOf(request);
    if (!PRINCIPAL.test(principal)) {
      throw invalidParameter("The provided principal was invalid. Please check the principal and try again.");
    }
    const statement = { sid, principal, organizationId };
    const revisionId = request.query.get("RevisionId") ?? undefined;
    const layer = granted(await layers.addStatement(key, statement, revisionId), key, sid);
    const arn = layerVersionArn(region, key);
    const answer = { Statement: JSON.stringify(shown(statement, arn)), RevisionId: layer.policy?.revisionId };
    sendJson(request, 201, answer);
  });

  server.addRoute("GET", policy, (request) => {
    const key = keyOf(request);
    const layer = layers.get(key);
    const arn = layerVersionArn(region, key);
    if (layer === undefined) throw notFound(`Layer version ${arn} does not exist.`);
    if (layer.policy === undefined) throw notFound("No policy is associated with the given resource.");
    const { statements, revisionId } = layer.policy;
    const Statement = statements.map((statement) => shown(statement, arn));
    const Policy = JSON.stringify({ Version: "2012-10-17", Id: "default", Statement });
    sendJson(request, 200, { Policy, RevisionId: revisionId });
  });

  server.addRoute("DELETE", `${policy}/:StatementId`, async (request) => {
    const key = keyOf(request);
    const sid = request.params["StatementId"] ?? "";
    const revisionId = request.query.get("RevisionId") ?? undefined;
    granted(await layers.removeStatement(key, sid, revisionId), key, sid);
    sendEmpty(request, 204);
  });
}

function shown({ sid, principal, organizationId }: LayerStatement, arn: string): object {
  return {
    Sid: sid,
    Effect: "Allow",
    Principal:
      principal === "*" ? "*" : { AWS: /^\d+$/.test(principal) ? `arn:aws:iam::${principal}:root` : principal },
    Action: ACTION,
    Resource: arn,
    ...(organizationId === undefined ? {} : { Condition: { StringEquals: { "aws:PrincipalOrgID": organizationId } } }),
  };
}
