import type { AccountId } from "../../model/ids.ts";
import { invalidParameter, LambdaError, notFound } from "./lambda-error.ts";
import { Violations } from "./violation.ts";

/** What a `FunctionName` names: a name, a partial or a full ARN, each with or without a qualifier. */
export type FunctionName = {
  readonly name: string;
  /** From the name itself. */
  readonly qualifier: string | undefined;
  readonly region: string | undefined;
  readonly accountId: string | undefined;
};

/** Lambda's own pattern, as its validation errors show it. */
const PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
/** The same, of what may be read or invoked besides: names with dots. */
const NAMESPACED_PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN = "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

const FULL =
  /^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:((?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$/;
const PLAIN = /^[a-zA-Z0-9-_]{1,64}$/;
const QUALIFIER = new RegExp(`^(?:${QUALIFIER_PATTERN})$`);

const QUALIFIER_LENGTH_MAX = 128;
/** Of a function to be created or changed, and of one to be read or invoked. */
export const NAME_LENGTH_MAX = 140;
export const NAMESPACED_NAME_LENGTH_MAX = 170;

/** undefined: it names nothing. */
export function parseFunctionName(text: string): FunctionName | undefined {
  if (PLAIN.test(text)) return { name: text, qualifier: undefined, region: undefined, accountId: undefined };
  const match = FULL.exec(text);
  if (match === null) return undefined;
  const [, region, accountId, name = "", qualifier] = match;
  return { name, qualifier, region, accountId };
}

/** The function that a request is about, in the caller's own account and this server's region. */
export type FunctionTarget = {
  readonly name: string;
  readonly qualifier: string | undefined;
};

/** The function that a request is about, of any account. */
export type OwnedTarget = FunctionTarget & { readonly accountId: AccountId };

/** As `ownedTargetOf`, of the asker's own functions. @throws LambdaError also for another account's. */
export function targetOf(
  text: string,
  qualifier: string | null,
  owner: { readonly accountId: AccountId; readonly region: string },
  lengthMax: number,
): FunctionTarget {
  const { accountId, ...target } = ownedTargetOf(text, qualifier, owner, lengthMax);
  if (accountId !== owner.accountId) throw otherAccount();
  return target;
}

/**
 * Reads the name and the qualifier of a request.
 * @param qualifier as given apart from the name; undefined or null if it was not.
 * @throws LambdaError as Lambda words it: malformed, of another region, or contradictory.
 */
export function ownedTargetOf(
  text: string,
  qualifier: string | null,
  asker: { readonly accountId: AccountId; readonly region: string },
  lengthMax: number,
): OwnedTarget {
  const violations = new Violations();
  violations.length(text, "functionName", 1, lengthMax);
  const parsed = parseFunctionName(text);
  if (parsed === undefined) {
    violations.pattern(text, "functionName", lengthMax > NAME_LENGTH_MAX ? NAMESPACED_PATTERN : PATTERN);
  }
  if (qualifier !== null) {
    violations.length(qualifier, "qualifier", 1, QUALIFIER_LENGTH_MAX);
    if (!QUALIFIER.test(qualifier)) violations.pattern(qualifier, "qualifier", QUALIFIER_PATTERN);
  }
  violations.check();
  const { name, region, accountId, qualifier: derived } = parsed as FunctionName;
  if (region !== undefined && region !== asker.region) {
    throw notFound(`Functions from '${region}' are not reachable in this region ('${asker.region}')`);
  }
  if (qualifier !== null && derived !== undefined && qualifier !== derived) {
    throw invalidParameter("The derived qualifier from the function name does not match the specified qualifier.");
  }
  return { accountId: (accountId as AccountId | undefined) ?? asker.accountId, name, qualifier: qualifier ?? derived };
}

function otherAccount(): LambdaError {
  return new LambdaError("AccessDeniedException", 403, "The function belongs to another account.");
}

/** For operations that are on functions, not on their versions. @throws LambdaError. */
export function requireUnqualified(target: FunctionTarget): void {
  if (target.qualifier === undefined) return;
  throw invalidParameter(
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
  );
}

/** @param arn unqualified. */
export function functionMissing(arn: string, qualifier: string | undefined): LambdaError {
  return notFound(`Function not found: ${qualifier === undefined ? arn : `${arn}:${qualifier}`}`);
}
