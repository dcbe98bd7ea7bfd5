import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { StoredCode } from "./code-store.ts";

/** What its owner decides about a function; code and tags apart. */
export type FunctionSettings = {
  readonly runtime: RuntimeName;
  readonly handler: string;
  readonly role: string;
  readonly description: string;
  readonly timeoutMs: number;
  readonly memoryMiB: number;
  readonly ephemeralStorageMiB: number;
  readonly architecture: "x86_64" | "arm64";
  /** undefined: never given, so that it is not echoed. */
  readonly environment: Readonly<Record<string, string>> | undefined;
  /** Echoed only: Hearth records no traces of its own. */
  readonly tracingMode: "PassThrough" | "Active";
  /** Echoed only: no snapshots are taken. */
  readonly snapStart: "None" | "PublishedVersions";
  readonly logGroup: string;
};

/** A function as it is stored; what a restart brings back. */
export type FunctionRecord = {
  readonly accountId: AccountId;
  readonly name: string;
  /** A UUID; changes with code and settings, not with tags. */
  readonly revisionId: string;
  readonly code: StoredCode;
  readonly settings: FunctionSettings;
  readonly tags: Readonly<Record<string, string>>;
  readonly lastModifiedMs: number;
};

/** A function as callers see it now. */
export type FunctionDescription = FunctionRecord & {
  /** Unqualified. */
  readonly arn: string;
  /** `Failed`: its code on disk is damaged; an update of the code mends it. */
  readonly state: "Pending" | "Active" | "Failed";
  /** undefined while `Pending`: nothing was updated yet. */
  readonly lastUpdateStatus: "InProgress" | "Successful" | undefined;
};

/** Why a change of a function was not made. */
export type CatalogRefusal =
  | "exists"
  | "missing"
  | "updateInProgress"
  /** The caller named a revision that is not the latest. */
  | "revisionMismatch"
  | "codeStorageExceeded"
  | "tooManyTags";

/** What became of a change. */
export type CatalogAnswer =
  | { readonly kind: "done"; readonly description: FunctionDescription }
  | { readonly kind: "refused"; readonly why: CatalogRefusal };

/** Conditions and options that both kinds of update share. */
export type UpdateCondition = {
  /** Refused with `revisionMismatch` unless it is the latest; undefined: any. */
  readonly revisionId: string | undefined;
};

/** Of one function, as Lambda limits them. */
export const TAGS_MAX = 50;
/** Zipped code of one account (75 GB), as Lambda limits it. */
export const CODE_STORAGE_BYTES_MAX = 80_530_636_800;

/**
 * The functions of all accounts: in memory for reading, written through to the store before a
 * change is visible. Promises reject with HearthError STORE_FAILED, CODE_CORRUPT, CODE_TOO_LARGE.
 */
export type FunctionCatalog = {
  create(
    accountId: AccountId,
    name: string,
    settings: FunctionSettings,
    zip: Buffer,
    tags: Readonly<Record<string, string>>,
  ): Promise<CatalogAnswer>;
  get(accountId: AccountId, name: string): FunctionDescription | undefined;
  /** Sorted by name, those after `afterName`, at most `count`. */
  list(accountId: AccountId, afterName: string, count: number): FunctionDescription[];
  /** @param dryRun checks everything and changes nothing. */
  updateCode(
    accountId: AccountId,
    name: string,
    zip: Buffer,
    condition: UpdateCondition & {
      readonly dryRun: boolean;
      readonly architecture: FunctionSettings["architecture"] | undefined;
    },
  ): Promise<CatalogAnswer>;
  updateSettings(
    accountId: AccountId,
    name: string,
    change: Partial<FunctionSettings>,
    condition: UpdateCondition,
  ): Promise<CatalogAnswer>;
  delete(accountId: AccountId, name: string): Promise<CatalogAnswer>;
  setTags(accountId: AccountId, name: string, tags: Readonly<Record<string, string>>): Promise<CatalogAnswer>;
  removeTags(accountId: AccountId, name: string, keys: readonly string[]): Promise<CatalogAnswer>;
  /**
   * The version that a call of this name and qualifier runs; undefined: no such function, or its
   * code is damaged. On the path of every invocation: two look-ups in maps.
   */
  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined;
  /** Whether the function is there and cannot run until its code is updated; false: it is not there, or sound. */
  isDamaged(accountId: AccountId, name: string): boolean;
  /** Count of functions and bytes of zipped code, as GetAccountSettings reports them. */
  usage(accountId: AccountId): { readonly functionCount: number; readonly codeSizeBytes: number };
  /** `listener` hears of each key that serves nobody any more, in the turn in which its successor is visible. */
  onRetired(listener: (key: FunctionKey) => void): void;
  /** Stops looking for unused code. */
  close(): void;
};
