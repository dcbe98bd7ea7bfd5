import type { AccountId } from "../model/ids.ts";
import type { StoredCode } from "./code-store.ts";

/** Who may get a version of a layer beside its owner. */
export type LayerStatement = {
  readonly sid: string;
  /** `*`, an account's number, or the ARN of somebody of an account. */
  readonly principal: string;
  /** Only who belongs to it; nobody here does. undefined: any of the principal. */
  readonly organizationId: string | undefined;
};

/** Who else may get a version of a layer; never empty. */
export type LayerPolicy = {
  /** A UUID; changes with each statement. */
  readonly revisionId: string;
  readonly statements: readonly LayerStatement[];
};

/** A version of a layer as it is stored and shown; immutable but for its policy. */
export type LayerVersion = {
  readonly accountId: AccountId;
  readonly name: string;
  /** From 1 on; no number is given twice. */
  readonly version: number;
  readonly code: StoredCode;
  readonly description: string;
  /** undefined: not given, so that it is not echoed; likewise below. */
  readonly licenseInfo: string | undefined;
  readonly compatibleRuntimes: readonly string[] | undefined;
  readonly compatibleArchitectures: readonly string[] | undefined;
  readonly createdMs: number;
  /** undefined: nobody else may get it. */
  readonly policy: LayerPolicy | undefined;
};

/** A version as it is stored. A deleted one leaves its number behind, which is not given again. */
export type LayerRecord = LayerVersion | (LayerKey & { readonly isDeleted: true });

/** What a new version is made of. */
export type LayerInput = Pick<
  LayerVersion,
  "description" | "licenseInfo" | "compatibleRuntimes" | "compatibleArchitectures"
>;

/** Versions that suit a function; undefined members suit all. */
export type LayerFilter = {
  readonly compatibleRuntime: string | undefined;
  readonly compatibleArchitecture: string | undefined;
};

/** Names a version of a layer. */
export type LayerKey = Pick<LayerVersion, "accountId" | "name" | "version">;

/** Why a layer's policy was not changed. */
export type LayerRefusal = "missing" | "statementExists" | "statementMissing" | "revisionMismatch";

/** What became of a change of a layer's policy. */
export type LayerPolicyAnswer =
  | { readonly kind: "done"; readonly layer: LayerVersion }
  | { readonly kind: "refused"; readonly why: LayerRefusal };

/**
 * The layers of all accounts: in memory for reading, written through to the store before a change is visible. Promises
 * reject with HearthError STORE_FAILED, CODE_CORRUPT, CODE_TOO_LARGE.
 */
export type LayerCatalog = {
  publish(accountId: AccountId, name: string, zip: Buffer, input: LayerInput): Promise<LayerVersion>;
  /** undefined: there is none, or it was deleted. */
  get(key: LayerKey): LayerVersion | undefined;
  /** The newest version that suits of each layer, by name after `afterName`, at most `count`. */
  list(accountId: AccountId, filter: LayerFilter, afterName: string, count: number): LayerVersion[];
  /** Versions that suit, from the newest on, below `beforeVersion`, at most `count`. */
  listVersions(
    accountId: AccountId,
    name: string,
    filter: LayerFilter,
    beforeVersion: number,
    count: number,
  ): LayerVersion[];
  /** Functions that have it keep it. Idempotent. */
  delete(key: LayerKey): Promise<void>;
  /** @param revisionId refused unless it is the latest; undefined: any. */
  addStatement(key: LayerKey, statement: LayerStatement, revisionId: string | undefined): Promise<LayerPolicyAnswer>;
  removeStatement(key: LayerKey, sid: string, revisionId: string | undefined): Promise<LayerPolicyAnswer>;
  /** Whether an account may get it: its owner, and whom its policy names. */
  mayGet(layer: LayerVersion, accountId: AccountId): boolean;
  /** Hashes of the archives of all versions. */
  usedCode(): Iterable<string>;
};
