import type { FunctionRuntime } from "../model/function-runtime.ts";
import type { FunctionVersion, LogLevel, SystemLogLevel } from "../model/function-version.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { AliasCatalog } from "./alias-catalog.ts";
import type { CatalogAnswer, UpdateCondition } from "./catalog-answer.ts";
import type { StoredCode } from "./code-store.ts";
import type { ConcurrencyCatalog, ProvisionedRecord } from "./concurrency-catalog.ts";

/** What its owner decides about a function; code and tags apart. */
export type FunctionSettings = {
  readonly runtime: FunctionRuntime;
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
  /** That it logs to. */
  readonly logGroup: string;
  /** undefined: `Text`. */
  readonly logFormat?: "Text" | "JSON" | undefined;
  /** With format `JSON` only; undefined: INFO. */
  readonly applicationLogLevel?: LogLevel | undefined;
  readonly systemLogLevel?: SystemLogLevel | undefined;
  /** Where events go that the function could not process; undefined: nowhere. */
  readonly deadLetterArn?: string | undefined;
  /** Echoed only: what is stored is not encrypted with a key of its own. */
  readonly kmsKeyArn?: string | undefined;
  /** Whether a network was ever named, even none: it is echoed then. There are no networks to choose from. */
  readonly isVpcEchoed?: boolean | undefined;
  /** The lowest first. Absent: none. */
  readonly layers?: readonly FunctionLayer[] | undefined;
};

/** A layer as a function has it: also when that version of it was deleted since. */
export type FunctionLayer = {
  /** With its version. */
  readonly arn: string;
  readonly code: StoredCode;
};

/** One version of a function as it is stored: `$LATEST`, which changes, or a published one, which never does. */
export type VersionRecord = {
  readonly accountId: AccountId;
  readonly name: string;
  /** `$LATEST`, or a number as text. */
  readonly version: string;
  /** A UUID, as callers see it: changes with code and settings, and that of `$LATEST` when a version is published; not with tags. */
  readonly revisionId: string;
  /** A UUID; changes with code and settings only. Part of the function key, so that publishing retires no container. */
  readonly buildId: string;
  readonly code: StoredCode;
  readonly settings: FunctionSettings;
  readonly lastModifiedMs: number;
};

/** A published version as it is stored. */
export type PublishedRecord = VersionRecord & {
  /** Of what `$LATEST` was when this was published: as long as it is the same, publishing makes no other version. */
  readonly sourceSha256Hex: string;
};

/** A function as it is stored: its `$LATEST`, and what belongs to all its versions. */
export type FunctionRecord = VersionRecord & {
  readonly tags: Readonly<Record<string, string>>;
  /** The highest number that was ever given to a version; 0: none was published. No number is given twice. */
  readonly lastVersion: number;
  /** undefined: nothing is reserved. */
  readonly reservedConcurrency?: number | undefined;
  /** By version or alias. */
  readonly provisioned?: Readonly<Record<string, ProvisionedRecord>> | undefined;
  /** Whether the function may call itself over and over; kept and told, loops are not looked for. undefined: `Terminate`. */
  readonly recursiveLoop?: "Allow" | "Terminate" | undefined;
  /** By version; kept and told: a runtime is updated when Hearth is. Absent: `Auto`. */
  readonly runtimeUpdates?: Readonly<Record<string, RuntimeUpdate>> | undefined;
};

/** When a function's runtime is updated. */
export type RuntimeUpdate = {
  readonly on: "Auto" | "Manual" | "FunctionUpdate";
  /** With `Manual` only. */
  readonly runtimeVersionArn?: string | undefined;
};

/** What belongs to a function and has no effect on what runs it. */
export type FunctionOptions = Pick<FunctionRecord, "recursiveLoop" | "runtimeUpdates">;

/** A version of a function as callers see it now. */
export type FunctionDescription = VersionRecord & {
  /** Unqualified. */
  readonly arn: string;
  readonly tags: Readonly<Record<string, string>>;
  /** `Failed`: its code on disk is damaged; an update of the code mends `$LATEST`, a deployment of the same archive any. */
  readonly state: "Pending" | "Active" | "Failed";
  /** undefined while `Pending`: nothing was updated yet. */
  readonly lastUpdateStatus: "InProgress" | "Successful" | undefined;
};

/** What a new version is to be made of. */
export type PublishRequest = UpdateCondition & {
  /** Base64 of the code's sha256; refused with `codeMismatch` unless it is that of `$LATEST`. undefined: any. */
  readonly codeSha256: string | undefined;
  /** Instead of the one of `$LATEST`. */
  readonly description: string | undefined;
};

/** How the code of a function changes. */
export type CodeChange = UpdateCondition & {
  /** Checks everything and changes nothing. */
  readonly dryRun: boolean;
  readonly architecture: FunctionSettings["architecture"] | undefined;
  /** Publishes a version of the result, which is then the answer. */
  readonly publish: boolean;
};

/** What a qualifier names. */
export type QualifierKind = "latest" | "version" | "alias";

/** What was deleted, with all that hung on it. */
export type Deletion = {
  readonly accountId: AccountId;
  readonly name: string;
  /** A version or an alias; undefined: the function, with all of them. */
  readonly qualifier: string | undefined;
};

/** Of one function, as Lambda limits them. */
export const TAGS_MAX = 50;
/** Zipped code of one account (75 GB), as Lambda limits it. */
export const CODE_STORAGE_BYTES_MAX = 80_530_636_800;

/**
 * The functions of all accounts: in memory for reading, written through to the store before a
 * change is visible. Promises reject with HearthError STORE_FAILED, CODE_CORRUPT, CODE_TOO_LARGE.
 * Where a qualifier is asked for, undefined means `$LATEST`, and an alias the version that it leads to.
 */
export type FunctionCatalog = {
  readonly aliases: AliasCatalog;
  readonly concurrency: ConcurrencyCatalog;
  /** @param publish whether its first version is published, which is then the answer. */
  create(
    accountId: AccountId,
    name: string,
    settings: FunctionSettings,
    zip: Buffer,
    tags: Readonly<Record<string, string>>,
    publish?: boolean,
  ): Promise<CatalogAnswer<FunctionDescription>>;
  /** undefined: no such function, version or alias. An alias shows its first version, whatever its weights. */
  get(accountId: AccountId, name: string, qualifier?: string): FunctionDescription | undefined;
  /** undefined: there is no such function, or nothing of that name in it. */
  kindOf(accountId: AccountId, name: string, qualifier: string): QualifierKind | undefined;
  /** Sorted by name, those after `afterName`, at most `count`. */
  list(accountId: AccountId, afterName: string, count: number): FunctionDescription[];
  /**
   * All versions of all functions, sorted by name, then as `listVersions` has them; those after a version of a function,
   * at most `count`. @param afterVersion its number; 0: `$LATEST`.
   */
  listAll(accountId: AccountId, afterName: string, afterVersion: number, count: number): FunctionDescription[];
  /**
   * `$LATEST`, then the published versions from the oldest on; those after the number `afterVersion`, at most `count`.
   * @param afterVersion undefined: from `$LATEST` on; 0: after that. @returns undefined: no such function.
   */
  listVersions(
    accountId: AccountId,
    name: string,
    afterVersion: number | undefined,
    count: number,
  ): FunctionDescription[] | undefined;
  updateCode(
    accountId: AccountId,
    name: string,
    zip: Buffer,
    change: CodeChange,
  ): Promise<CatalogAnswer<FunctionDescription>>;
  updateSettings(
    accountId: AccountId,
    name: string,
    change: Partial<FunctionSettings>,
    condition: UpdateCondition,
  ): Promise<CatalogAnswer<FunctionDescription>>;
  /** Publishes `$LATEST` under the next number; if nothing changed since the last version, that one is the answer. */
  publish(accountId: AccountId, name: string, request: PublishRequest): Promise<CatalogAnswer<FunctionDescription>>;
  delete(accountId: AccountId, name: string): Promise<CatalogAnswer<FunctionDescription>>;
  /** @param version a number as text. Succeeds when there is none; refused with `aliased`, or `missing` for the function. */
  deleteVersion(accountId: AccountId, name: string, version: string): Promise<CatalogAnswer<void>>;
  /** undefined: no such function. */
  optionsOf(accountId: AccountId, name: string): FunctionOptions | undefined;
  setOptions(accountId: AccountId, name: string, options: Partial<FunctionOptions>): Promise<CatalogAnswer<void>>;
  setTags(
    accountId: AccountId,
    name: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<CatalogAnswer<FunctionDescription>>;
  removeTags(accountId: AccountId, name: string, keys: readonly string[]): Promise<CatalogAnswer<FunctionDescription>>;
  /**
   * The version that a call of this name and qualifier runs, which for an alias with weights chance decides; undefined: no
   * such function, version or alias, or its code is damaged. On the path of every invocation: a few look-ups in maps.
   */
  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined;
  /** Whether it is there and cannot run, because its code is damaged; false: it is not there, or sound. */
  isDamaged(accountId: AccountId, name: string, qualifier: string | undefined): boolean;
  /** Count of functions and bytes of the zipped code of all versions, as GetAccountSettings reports them. */
  usage(accountId: AccountId): { readonly functionCount: number; readonly codeSizeBytes: number };
  /** Of all accounts. */
  functionCount(): number;
  /** Gives `$LATEST` a new revision, because something that belongs to it changed. */
  touch(accountId: AccountId, name: string): Promise<void>;
  /** `listener` hears of each key that serves nobody any more, in the turn in which its successor is visible. */
  onRetired(listener: (key: FunctionKey) => void): void;
  /** `listener` hears of each function, version and alias that is gone, in the turn in which it is. */
  onDeleted(listener: (deletion: Deletion) => void): void;
  /** Stops looking for unused code. */
  close(): void;
};
