import type { AccountId } from "../../model/ids.ts";
import type { IamPolicy, IamTable } from "../../ports/iam-entities.ts";
import { noSuchEntity } from "./iam-errors.ts";

/** Of a policy of an account, or of AWS's own. */
export const POLICY_ARN = /^arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy\/[!-~]{1,600}$/;

export function policyArn({ accountId, path, name }: Pick<IamPolicy, "accountId" | "path" | "name">): string {
  return `arn:aws:iam::${accountId}:policy${path}${name}`;
}

/**
 * The policy of an ARN; undefined: it is AWS's own, whose documents are not here.
 * @throws LambdaError NoSuchEntity: there is none, or it is another account's.
 */
export function policyNamed(
  arn: string,
  accountId: AccountId,
  policies: Pick<IamTable<IamPolicy>, "get">,
): IamPolicy | undefined {
  if (/^arn:aws[a-z-]*:iam::aws:/.test(arn)) return undefined;
  const policy = policies.get(accountId, arn.slice(arn.lastIndexOf("/") + 1));
  if (policy === undefined || policyArn(policy) !== arn) throw noSuchEntity(`Policy ${arn}`);
  return policy;
}
