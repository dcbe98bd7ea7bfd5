import type { AccountId } from "../../model/ids.ts";

/** ARN without a qualifier. */
export function functionArn(region: string, accountId: AccountId, name: string): string {
  return `arn:aws:lambda:${region}:${accountId}:function:${name}`;
}
