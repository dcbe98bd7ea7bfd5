import type { AccountId } from "../model/ids.ts";
import type { AliasRecord } from "./alias-catalog.ts";
import type { FunctionRecord, PublishedRecord } from "./function-catalog.ts";

/** Everything that is stored of functions. */
export type StoredFunctions = {
  readonly functions: readonly FunctionRecord[];
  /** By function, in the order of their numbers. */
  readonly versions: readonly PublishedRecord[];
  readonly aliases: readonly AliasRecord[];
};

/** The functions as they are stored, with the promises of `Store`. */
export type FunctionStore = {
  load(): Promise<StoredFunctions>;
  /** Inserts or replaces, by account and name; versions and aliases stay. */
  put(record: FunctionRecord): Promise<void>;
  /** Inserts a version, and puts the function that it was published of: both or neither. */
  putVersion(version: PublishedRecord, record: FunctionRecord): Promise<void>;
  /** With its versions and aliases. Idempotent. */
  delete(accountId: AccountId, name: string): Promise<void>;
  /** Idempotent; puts the function as well, both or neither. */
  deleteVersion(version: string, record: FunctionRecord): Promise<void>;
  /** Inserts or replaces, by account, function and alias. */
  putAlias(alias: AliasRecord): Promise<void>;
  /** Idempotent; puts the function as well, both or neither. */
  deleteAlias(alias: string, record: FunctionRecord): Promise<void>;
};
