import type { PolicyStatement } from "../../model/resource-policy.ts";
import type { PolicyTarget, ShowPolicy } from "../../ports/resource-policies.ts";

const SERVICE = /^[a-z0-9.-]+\.(amazonaws\.com|amazon\.com|internal)$/;
const IDENTITY = /^arn:(aws[a-zA-Z-]*):(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)\/[\w+=,.@/-]+)$/;

/** How a policy names whom a request names. undefined: nobody can be named so. */
export function principalOf(text: string): string | undefined {
  if (/^\d{12}$/.test(text)) return `arn:aws:iam::${text}:root`;
  return text === "*" || SERVICE.test(text) || IDENTITY.test(text) ? text : undefined;
}

/** The whole policy, as GetPolicy answers it. @param region of the server. */
export function policyDocument(region: string): ShowPolicy {
  return (target, statements) =>
    JSON.stringify({
      Version: "2012-10-17",
      Id: "default",
      Statement: statements.map((statement) => shownStatement(statement, resourceOf(target, region))),
    });
}

export function resourceOf({ accountId, name, qualifier }: PolicyTarget, region: string): string {
  const arn = `arn:aws:lambda:${region}:${accountId}:function:${name}`;
  return qualifier === undefined ? arn : `${arn}:${qualifier}`;
}

/** A statement with its members in Lambda's order. */
export function shownStatement(statement: PolicyStatement, resource: string): object {
  const { sid, action, principal } = statement;
  const condition = conditionOf(statement);
  return {
    Sid: sid,
    Effect: "Allow",
    Principal: principal === "*" ? "*" : { [principal.startsWith("arn:") ? "AWS" : "Service"]: principal },
    Action: action,
    Resource: resource,
    ...(Object.keys(condition).length === 0 ? {} : { Condition: condition }),
  };
}

function conditionOf(statement: PolicyStatement): object {
  const equals = {
    "aws:PrincipalOrgID": statement.principalOrgId,
    "AWS:SourceAccount": statement.sourceAccount,
    "lambda:EventSourceToken": statement.eventSourceToken,
    "lambda:FunctionUrlAuthType": statement.functionUrlAuthType,
  };
  const given = Object.entries(equals).filter(([, value]) => value !== undefined);
  return {
    ...(given.length === 0 ? {} : { StringEquals: Object.fromEntries(given) }),
    ...(statement.sourceArn === undefined ? {} : { ArnLike: { "AWS:SourceArn": statement.sourceArn } }),
    ...(statement.invokedViaFunctionUrl === true ? { Bool: { "lambda:InvokedViaFunctionUrl": "true" } } : {}),
  };
}
