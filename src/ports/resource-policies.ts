import type { AccountId } from "../model/ids.ts";
import type { AccessRequest, PolicyStatement } from "../model/resource-policy.ts";

/** What a policy is about: a function, or one version or alias of it. */
export type PolicyTarget = {
  readonly accountId: AccountId;
  readonly name: string;
  /** A version or an alias; undefined: the function itself, called by its name alone. */
  readonly qualifier: string | undefined;
};

/** A policy as it is stored: never empty. */
export type PolicyRecord = PolicyTarget & { readonly statements: readonly PolicyStatement[] };

/** Why a policy was not changed. */
export type PolicyRefusal =
  | "targetMissing"
  | "statementExists"
  | "statementMissing"
  | "policyMissing"
  | "revisionMismatch";

/** What became of a change of a policy. */
export type PolicyAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly why: PolicyRefusal }
  | { readonly kind: "refused"; readonly why: "tooLong"; readonly bytes: number };

/** As Lambda shows it; its size is limited. */
export type ShowPolicy = (target: PolicyTarget, statements: readonly PolicyStatement[]) => string;

/** Of a policy as it is shown (20 KB), as Lambda limits it. */
export const POLICY_BYTES_MAX = 20_480;

/**
 * Who but its owner may do what with a function: in memory for reading, written through to the store before a change is
 * visible. A change gives what the policy is about a new revision. Promises reject with HearthError STORE_FAILED.
 */
export type ResourcePolicies = {
  /** Empty: nobody else may do anything. */
  statements(target: PolicyTarget): readonly PolicyStatement[];
  /** Of what the policy is about: what a change of the policy changes too. undefined: there is no such thing. */
  revisionOf(target: PolicyTarget): string | undefined;
  /** @param revisionId of the target; refused unless it is the latest. undefined: any. */
  add(target: PolicyTarget, statement: PolicyStatement, revisionId: string | undefined): Promise<PolicyAnswer>;
  remove(target: PolicyTarget, sid: string, revisionId: string | undefined): Promise<PolicyAnswer>;
  /** Whether somebody else than the owner may; on the path of an invocation across accounts. */
  allows(target: PolicyTarget, request: AccessRequest): boolean;
};
