import type { AccountId } from "../model/ids.ts";

/** A role as it is stored. It grants nothing: functions name it, and nobody asks it what they may do. */
export type IamRole = {
  readonly accountId: AccountId;
  readonly name: string;
  /** `AROA…`. */
  readonly id: string;
  /** Begins and ends with a slash. */
  readonly path: string;
  /** JSON, as it was given. */
  readonly trustPolicy: string;
  readonly description?: string | undefined;
  readonly sessionS: number;
  /** ARN of a policy. */
  readonly permissionsBoundary?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** ARNs of policies, in the order of their attachment. */
  readonly attached: readonly string[];
  /** Inline policies' documents, by their names. */
  readonly inline: Readonly<Record<string, string>>;
  readonly createdMs: number;
};

/** One version of a policy's document. */
export type IamPolicyVersion = { readonly number: number; readonly document: string; readonly createdMs: number };

/** A policy as it is stored, with its versions from the oldest on. */
export type IamPolicy = {
  readonly accountId: AccountId;
  readonly name: string;
  /** `ANPA…`. */
  readonly id: string;
  readonly path: string;
  readonly description?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly versions: readonly IamPolicyVersion[];
  /** Number of the version in force, if anything were. */
  readonly defaultVersion: number;
  /** Of the newest version that ever was. */
  readonly lastVersion: number;
  readonly createdMs: number;
  readonly updatedMs: number;
};

/** Entities of one kind, of all accounts. */
export type IamTable<T> = {
  get(accountId: AccountId, name: string): T | undefined;
  /** By name. */
  list(accountId: AccountId): readonly T[];
  /**
   * Makes, changes or removes one, when the changes before are done.
   * @param change is given what is there and gives what shall be, undefined for nothing; what it throws rejects the call.
   * @returns what is there now, once it survives a crash; rejects with HearthError STORE_FAILED.
   */
  change(accountId: AccountId, name: string, change: (entity: T | undefined) => T | undefined): Promise<T | undefined>;
};
