import type { AccountId } from "../model/ids.ts";

/** A log group as it is stored. Its events are the log of the function that it is named for, if there is one. */
export type LogGroup = {
  readonly accountId: AccountId;
  /** `/aws/lambda/NAME` for a function's. */
  readonly name: string;
  readonly createdMs: number;
  /** Older events are not shown. undefined: those are shown that are there. */
  readonly retentionDays?: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
};

/** What can be changed of a log group. A retention of 0 days is none. */
export type LogGroupChange = { readonly retentionDays?: number; readonly tags?: Readonly<Record<string, string>> };

/** The log groups of all accounts. Changes resolve once they survive a crash; reject with HearthError STORE_FAILED. */
export type LogGroups = {
  get(accountId: AccountId, name: string): LogGroup | undefined;
  /** By name. */
  list(accountId: AccountId): readonly LogGroup[];
  /** @returns false: it is there already. */
  create(accountId: AccountId, name: string, tags: LogGroup["tags"]): Promise<boolean>;
  /** @param change of the group as it is when its turn comes. @returns false: there is no such group. */
  change(accountId: AccountId, name: string, change: (group: LogGroup) => LogGroupChange): Promise<boolean>;
  /** Its events go too. @returns false: there is no such group. */
  delete(accountId: AccountId, name: string): Promise<boolean>;
  /** A container becomes this function's: from now on its group is there. */
  begin(accountId: AccountId, functionName: string): void;
};

/** What the names of functions' log groups begin with. */
export const FUNCTION_GROUP_PREFIX = "/aws/lambda/";
