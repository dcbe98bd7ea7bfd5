import type { AccountId } from "../model/ids.ts";
import type { CatalogAnswer, UpdateCondition } from "./catalog-answer.ts";

/** A second version that an alias sends a part of its calls to. */
export type AliasRoute = {
  /** A number as text. */
  readonly version: string;
  /** Part of the calls, from 0 to 1; the first version gets the others. */
  readonly weight: number;
};

/** A name for a version of a function, as it is stored. */
export type AliasRecord = {
  readonly accountId: AccountId;
  readonly name: string;
  readonly alias: string;
  /** `$LATEST`, or a number as text. */
  readonly version: string;
  readonly description: string;
  /** undefined: all calls run the one version. */
  readonly route: AliasRoute | undefined;
  /** A UUID; changes with every change of the alias. */
  readonly revisionId: string;
};

/** An alias as callers see it. */
export type AliasDescription = AliasRecord & {
  /** With the alias. */
  readonly arn: string;
};

/** What its owner decides about an alias. */
export type AliasSettings = Pick<AliasRecord, "version" | "description" | "route">;

/**
 * The aliases of all functions. Refused with `missing` (the function), `aliasExists`, `aliasMissing`, `versionMissing`,
 * `revisionMismatch`; promises reject with HearthError STORE_FAILED.
 */
export type AliasCatalog = {
  create(
    accountId: AccountId,
    name: string,
    alias: string,
    settings: AliasSettings,
  ): Promise<CatalogAnswer<AliasDescription>>;
  get(accountId: AccountId, name: string, alias: string): AliasDescription | undefined;
  /** @param change of the alias as it is when its turn comes; what it throws, this rejects with. */
  update(
    accountId: AccountId,
    name: string,
    alias: string,
    change: (before: AliasSettings) => Partial<AliasSettings>,
    condition: UpdateCondition,
  ): Promise<CatalogAnswer<AliasDescription>>;
  /** Succeeds when there is none. */
  delete(accountId: AccountId, name: string, alias: string): Promise<CatalogAnswer<void>>;
  /**
   * Sorted by name, those after `afterAlias`, at most `count`.
   * @param version only those that lead to it; undefined: all. @returns undefined: no such function.
   */
  list(
    accountId: AccountId,
    name: string,
    version: string | undefined,
    afterAlias: string,
    count: number,
  ): AliasDescription[] | undefined;
};
