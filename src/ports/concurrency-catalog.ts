import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId } from "../model/ids.ts";
import type { CatalogAnswer } from "./catalog-answer.ts";

/** How many instances of a version are to be kept ready, as it is stored. */
export type ProvisionedRecord = {
  readonly count: number;
  readonly lastModifiedMs: number;
};

/** The same, with the version or alias that it was asked for. */
export type ProvisionedDescription = ProvisionedRecord & {
  readonly qualifier: string;
};

/** What is asked for of one function; what holds containers and limits admission reads it. */
export type FunctionConcurrency = {
  /** Executions at a time that are the function's, and the most it may have; undefined: it shares the account's. */
  readonly reserved: number | undefined;
  readonly provisioned: readonly {
    readonly qualifier: string;
    readonly count: number;
    /** Those that a call of the qualifier may run, with how likely: of an alias with weights two, the first one first. */
    readonly versions: readonly { readonly version: FunctionVersion; readonly weight: number }[];
  }[];
};

/** How far something provisioned is held ready. */
export type ProvisionedState = {
  /** Instances that are made for it. */
  readonly allocated: number;
  /** Those of them that can take a call. */
  readonly available: number;
  readonly status: "IN_PROGRESS" | "READY" | "FAILED";
  /** undefined: the status says it all. */
  readonly reason?: string;
};

/** Of an account's executions at a time, those that no function may reserve. */
export const UNRESERVED_CONCURRENCY_MIN = 100;

/**
 * What is asked for; nothing here holds a container. Refused with `missing`, `reservedBelowProvisioned`,
 * `unreservedBelowMin`, `provisionedAboveReserved`, `provisionedAboveUnreserved`, `provisionedBelowMin`,
 * `aliasOfProvisioned`, `versionOfProvisionedAlias`; promises reject with HearthError STORE_FAILED.
 */
export type ConcurrencyCatalog = {
  /** undefined: no such function, or nothing is reserved. */
  reserved(accountId: AccountId, name: string): number | undefined;
  /** Of all functions of the account together. */
  reservedSum(accountId: AccountId): number;
  /** @param count undefined: nothing is reserved any more. */
  reserve(accountId: AccountId, name: string, count: number | undefined): Promise<CatalogAnswer<void>>;
  provisioned(accountId: AccountId, name: string, qualifier: string): ProvisionedDescription | undefined;
  /** Sorted by qualifier. @returns undefined: no such function. */
  listProvisioned(accountId: AccountId, name: string): ProvisionedDescription[] | undefined;
  /** @param qualifier of a published version or an alias that is there. */
  provision(
    accountId: AccountId,
    name: string,
    qualifier: string,
    count: number,
  ): Promise<CatalogAnswer<ProvisionedDescription>>;
  /** Succeeds when there is none. */
  unprovision(accountId: AccountId, name: string, qualifier: string): Promise<CatalogAnswer<void>>;
  /** undefined: no such function. */
  of(accountId: AccountId, name: string): FunctionConcurrency | undefined;
  /** Names of the functions that anything is asked for, with their accounts. */
  all(): { readonly accountId: AccountId; readonly name: string }[];
  /**
   * `listener` hears of each function of which `of` may answer something else now: what is asked for changed, or the
   * version that it is asked for, or the function is gone.
   */
  onChanged(listener: (accountId: AccountId, name: string) => void): void;
};
