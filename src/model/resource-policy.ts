import type { AccountId } from "./ids.ts";

/** Lets somebody do something with a function. There are no statements that forbid. */
export type PolicyStatement = {
  /** Unique in its policy. */
  readonly sid: string;
  /** `lambda:InvokeFunction`, `lambda:*` or `*`. */
  readonly action: string;
  /** `*`, a service (`s3.amazonaws.com`) or the ARN of an account or of somebody in it. */
  readonly principal: string;
  /** Conditions, all of which must hold; absent ones do. May have `*` and `?` in it. */
  readonly sourceArn?: string | undefined;
  readonly sourceAccount?: string | undefined;
  readonly principalOrgId?: string | undefined;
  readonly eventSourceToken?: string | undefined;
  readonly functionUrlAuthType?: FunctionUrlAuthType | undefined;
  readonly invokedViaFunctionUrl?: boolean | undefined;
};

/** Whether requests to a URL must be signed. */
export type FunctionUrlAuthType = "NONE" | "AWS_IAM";

/** What somebody wants to do. Absent members are not known of it, and so meet no condition. */
export type AccessRequest = {
  /** `lambda:InvokeFunction`. */
  readonly action: string;
  readonly by:
    | { readonly kind: "account"; readonly accountId: AccountId }
    | { readonly kind: "service"; readonly name: string }
    | { readonly kind: "anyone" };
  /** What a service acts for. */
  readonly sourceArn?: string | undefined;
  readonly sourceAccount?: string | undefined;
  /** Of the function URL that the request came by; undefined: it came by none. */
  readonly functionUrlAuthType?: FunctionUrlAuthType | undefined;
};

/** Whether a statement of the policy allows it. An account's callers act as the account itself: it knows no users. */
export function isAllowed(statements: readonly PolicyStatement[], request: AccessRequest): boolean {
  return statements.some(
    (statement) =>
      isActionOf(statement.action, request.action) &&
      isPrincipalOf(statement.principal, request.by) &&
      meetsConditions(statement, request),
  );
}

function isActionOf(pattern: string, action: string): boolean {
  return pattern === "*" || pattern === "lambda:*" || pattern.toLowerCase() === action.toLowerCase();
}

function isPrincipalOf(principal: string, by: AccessRequest["by"]): boolean {
  if (principal === "*") return true;
  switch (by.kind) {
    case "account":
      return principal === accountPrincipal(by.accountId);
    case "service":
      return principal === by.name;
    case "anyone":
      return false;
    default:
      throw by satisfies never;
  }
}

/** As policies name an account. */
export function accountPrincipal(accountId: string): string {
  return `arn:aws:iam::${accountId}:root`;
}

function meetsConditions(statement: PolicyStatement, request: AccessRequest): boolean {
  const { sourceArn, sourceAccount, principalOrgId, eventSourceToken } = statement;
  const { functionUrlAuthType, invokedViaFunctionUrl } = statement;
  // Nobody belongs to an organization here, and nobody shows a token.
  if (principalOrgId !== undefined || eventSourceToken !== undefined) return false;
  if (sourceArn !== undefined && !(request.sourceArn !== undefined && isArnLike(sourceArn, request.sourceArn)))
    return false;
  if (sourceAccount !== undefined && sourceAccount !== request.sourceAccount) return false;
  if (functionUrlAuthType !== undefined && functionUrlAuthType !== request.functionUrlAuthType) return false;
  return invokedViaFunctionUrl !== true || request.functionUrlAuthType !== undefined;
}

/** The sixth part of an ARN is what is left of it. */
const ARN_PARTS = 6;

/** ArnLike: part by part, `*` for any characters and `?` for one ("IAM JSON policy elements: condition operators"). */
function isArnLike(pattern: string, arn: string): boolean {
  const [patterns, parts] = [partsOf(pattern), partsOf(arn)];
  return patterns.length === parts.length && patterns.every((part, index) => isLike(part, parts[index] ?? ""));
}

function partsOf(arn: string): string[] {
  const parts = arn.split(":");
  return [
    ...parts.slice(0, ARN_PARTS - 1),
    ...(parts.length < ARN_PARTS ? [] : [parts.slice(ARN_PARTS - 1).join(":")]),
  ];
}

/** Steps back to the last `*` only, so that no pattern takes more than the product of both lengths. */
function isLike(pattern: string, text: string): boolean {
  let [at, from, starAt, starFrom] = [0, 0, -1, 0];
  while (at < text.length) {
    if (pattern[from] === "*") {
      starAt = at;
      starFrom = from;
      from += 1;
    } else if (from < pattern.length && (pattern[from] === "?" || pattern[from] === text[at])) {
      at += 1;
      from += 1;
    } else if (starAt >= 0) {
      starAt += 1;
      at = starAt;
      from = starFrom + 1;
    } else return false;
  }
  while (pattern[from] === "*") from += 1;
  return from === pattern.length;
}
