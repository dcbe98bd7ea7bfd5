/** Why a change of a function, a version or an alias was not made. */
export type CatalogRefusal =
  | "exists"
  | "missing"
  | "updateInProgress"
  /** The caller named a revision that is not the latest. */
  | "revisionMismatch"
  /** The caller named code that is not that of `$LATEST`; the detail is the base64 of the latter's hash. */
  | "codeMismatch"
  | "codeStorageExceeded"
  | "tooManyTags"
  /** Unpacked, over UNZIPPED_BYTES_MAX. */
  | "layersTooLarge"
  /** Likewise, together; the detail is their size in bytes. */
  | "codeWithLayersTooLarge"
  /** The version is not to be deleted: aliases lead to it, whose names are the detail. */
  | "aliased"
  | "aliasExists"
  | "aliasMissing"
  /** A version that an alias is to lead to is not there; the detail is its number. */
  | "versionMissing"
  /** Less would be reserved than is provisioned; the detail is the latter's sum. */
  | "reservedBelowProvisioned"
  /** Too little of the account's concurrency would be left to the functions without a share of their own. */
  | "unreservedBelowMin"
  | "provisionedAboveReserved"
  /** The detail is what the account has left. */
  | "provisionedAboveUnreserved"
  | "provisionedBelowMin"
  | "aliasOfProvisioned"
  | "versionOfProvisionedAlias";

/** What became of a change. */
export type CatalogAnswer<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "refused"; readonly why: CatalogRefusal; readonly detail?: string };

/** Conditions and options that changes share. */
export type UpdateCondition = {
  /** Refused with `revisionMismatch` unless it is the latest; undefined: any. */
  readonly revisionId: string | undefined;
};
