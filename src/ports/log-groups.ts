import type { AccountId } from "../model/ids.ts";

/** A log group as it is stored. Its events are those of the log of `logNameOf` its name. */
export type LogGroup = {
  readonly accountId: AccountId;
  /** `/aws/lambda/NAME` for a function's. */
  readonly name: string;
  readonly createdMs: number;
  /** Older events are not shown. undefined: those are shown that are there. */
  readonly retentionDays?: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** Functions that it is not named for and that have written to it. Absent: none. */
  readonly functionNames?: readonly string[] | undefined;
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
  /** A container that logs to the group `name` becomes this function's: from now on the group is there. */
  begin(accountId: AccountId, name: string, functionName: string): void;
  /**
   * The names of the logs that a function has written to, for `LogStore.tail`; those whose groups were deleted since are
   * not among them, but its own always is. undefined: its own, and nobody else has written to that.
   */
  logNamesOf(accountId: AccountId, functionName: string): readonly string[] | undefined;
};

/** What the names of functions' own log groups begin with. */
const FUNCTION_GROUP_PREFIX = "/aws/lambda/";

/** The log group of a function that names none. */
export function ownGroupOf(functionName: string): string {
  return FUNCTION_GROUP_PREFIX + functionName;
}

/** The name by which a `LogStore` has the events of a group: the function's, of a group that is a function's own. */
export function logNameOf(groupName: string): string {
  if (groupName.startsWith(FUNCTION_GROUP_PREFIX)) return groupName.slice(FUNCTION_GROUP_PREFIX.length);
  // No name of a function or a group has a colon, so that no two groups have one log.
  return `:${groupName}`;
}
