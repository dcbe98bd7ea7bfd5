import { z } from "zod";
import type { FunctionUrlAuthType, PolicyStatement } from "../../model/resource-policy.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import {
  POLICY_BYTES_MAX,
  type PolicyAnswer,
  type PolicyTarget,
  type ResourcePolicies,
} from "../../ports/resource-policies.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { optional, parseInput } from "./function-input.ts";
import { functionMissing, NAME_LENGTH_MAX, targetOf } from "./function-name.ts";
import { arnOf } from "./granted.ts";
import { conflict, invalidParameter, LambdaError, notFound, preconditionFailed } from "./lambda-error.ts";
import { policyDocument, principalOf, resourceOf, shownStatement } from "./policy-document.ts";
import { sendEmpty, sendJson } from "./send.ts";
import { Violations } from "./violation.ts";

const STATEMENT_ID_PATTERN = "([a-zA-Z0-9-_]+)";
const ACTION_PATTERN = "(lambda:[*]|lambda:[a-zA-Z]+|[*])";
const ARN_PATTERN =
  "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";
export const AUTH_TYPES = ["NONE", "AWS_IAM"] as const satisfies FunctionUrlAuthType[];

const addInput = z.object({
  StatementId: optional(z.string()),
  Action: optional(z.string()),
  Principal: optional(z.string()),
  SourceArn: optional(z.string()),
  SourceAccount: optional(z.string()),
  PrincipalOrgID: optional(z.string()),
  EventSourceToken: optional(z.string()),
  FunctionUrlAuthType: optional(z.string()),
  InvokedViaFunctionUrl: optional(z.boolean()),
  RevisionId: optional(z.string()),
});

export type PermissionRoutesOptions = {
  readonly catalog: FunctionCatalog;
  readonly policies: ResourcePolicies;
  readonly region: string;
};

/** Adds the operations on who else may do something with a function, a version or an alias. */
export function addPermissionRoutes(server: HttpServer, { catalog, policies, region }: PermissionRoutesOptions): void {
  const path = "/2015-03-31/functions/:FunctionName/policy";
  const show = policyDocument(region);

  const policyTargetOf = ({ params, query, principal: { accountId } }: RouteRequest): PolicyTarget => {
    const owner = { accountId, region };
    const target = targetOf(params["FunctionName"] ?? "", query.get("Qualifier"), owner, NAME_LENGTH_MAX);
    return { accountId, name: target.name, qualifier: target.qualifier };
  };
  const requireNotLatest = ({ qualifier }: PolicyTarget) => {
    if (qualifier === "$LATEST") throw invalidParameter("We currently do not support adding policies for $LATEST.");
  };
  const missing = ({ accountId, name, qualifier }: PolicyTarget): LambdaError => {
    const arn = arnOf(region, accountId, name);
    const isAlias = qualifier !== undefined && !/^\d+$/.test(qualifier);
    if (!isAlias || catalog.get(accountId, name) === undefined) return functionMissing(arn, qualifier);
    return notFound(`Cannot find alias arn: ${arn}:${qualifier}`);
  };
  const requireDone = (answer: PolicyAnswer, target: PolicyTarget, sid: string) => {
    if (answer.kind === "done") return;
    switch (answer.why) {
      case "targetMissing":
        throw missing(target);
      case "statementExists":
        throw conflict(
          `The statement id (${sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      case "statementMissing":
        throw notFound(`Statement ${sid} is not found in resource policy.`);
      case "policyMissing":
        throw notFound("No policy is associated with the given resource.");
      case "revisionMismatch":
        throw preconditionFailed("GetPolicy");
      case "tooLong":
        throw new LambdaError(
          "PolicyLengthExceededException",
          400,
          `The final policy size (${answer.bytes}) is bigger than the limit (${POLICY_BYTES_MAX}).`,
          { Type: "User" },
        );
      default:
        throw answer satisfies never;
    }
  };

  server.addRoute("POST", path, async (request) => {
    const input = parseInput(addInput, request.body);
    const violations = new Violations();
    violations.required(input.StatementId, "statementId");
    violations.required(input.Action, "action");
    violations.required(input.Principal, "principal");
    violations.length(input.StatementId, "statementId", 1, 100);
    violations.matches(input.StatementId, "statementId", STATEMENT_ID_PATTERN);
    violations.matches(input.Action, "action", ACTION_PATTERN);
    violations.matches(input.Principal, "principal", "[^\\s]+");
    violations.matches(input.SourceArn, "sourceArn", ARN_PATTERN);
    violations.matches(input.SourceAccount, "sourceAccount", "\\d{12}");
    violations.matches(input.PrincipalOrgID, "principalOrgID", "^o-[a-z0-9]{10,32}$");
    violations.length(input.EventSourceToken, "eventSourceToken", 0, 256);
    violations.matches(input.EventSourceToken, "eventSourceToken", "[a-zA-Z0-9._\\-]+");
    violations.oneOf(input.FunctionUrlAuthType, "functionUrlAuthType", AUTH_TYPES);
    violations.check();
    const target = policyTargetOf(request);
    requireNotLatest(target);
    if (catalog.get(target.accountId, target.name, target.qualifier) === undefined) throw missing(target);
    const principal = principalOf(input.Principal ?? "");
    if (principal === undefined) {
      throw invalidParameter("The provided principal was invalid. Please check the principal and try again.");
    }
    if (input.FunctionUrlAuthType !== undefined && !mayNameAuthType(input.Action ?? "")) {
      throw invalidParameter("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
    }
    const statement: PolicyStatement = {
      sid: input.StatementId ?? "",
      action: input.Action ?? "",
      principal,
      sourceArn: input.SourceArn,
      sourceAccount: input.SourceAccount,
      principalOrgId: input.PrincipalOrgID,
      eventSourceToken: input.EventSourceToken,
      functionUrlAuthType: input.FunctionUrlAuthType as FunctionUrlAuthType | undefined,
      invokedViaFunctionUrl: input.InvokedViaFunctionUrl,
    };
    requireDone(await policies.add(target, statement, input.RevisionId), target, statement.sid);
    const shown = shownStatement(statement, resourceOf(target, region));
    sendJson(request, 201, { Statement: JSON.stringify(shown) });
  });

  server.addRoute("GET", path, (request) => {
    const target = policyTargetOf(request);
    const statements = policies.statements(target);
    if (statements.length === 0) throw notFound("The resource you requested does not exist.");
    sendJson(request, 200, { Policy: show(target, statements), RevisionId: policies.revisionOf(target) });
  });

  server.addRoute("DELETE", `${path}/:StatementId`, async (request) => {
    const target = policyTargetOf(request);
    requireNotLatest(target);
    const { accountId, name } = target;
    if (catalog.get(accountId, name) === undefined) {
      throw notFound(`No policy found for: ${arnOf(region, accountId, name)}`);
    }
    const sid = request.params["StatementId"] ?? "";
    const revisionId = request.query.get("RevisionId") ?? undefined;
    requireDone(await policies.remove(target, sid, revisionId), target, sid);
    sendEmpty(request, 204);
  });
}

/** Patterns of actions may mean that one. */
function mayNameAuthType(action: string): boolean {
  return action === "lambda:InvokeFunctionUrl" || action.endsWith("*");
}
