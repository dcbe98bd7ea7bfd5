import type { AccountId } from "../../model/ids.ts";
import { type AccessRequest, isAllowed, type PolicyStatement } from "../../model/resource-policy.ts";
import type { Deletion, FunctionCatalog } from "../../ports/function-catalog.ts";
import type { RecordTable } from "../../ports/record-table.ts";
import {
  POLICY_BYTES_MAX,
  type PolicyAnswer,
  type PolicyRecord,
  type PolicyRefusal,
  type PolicyTarget,
  type ResourcePolicies,
  type ShowPolicy,
} from "../../ports/resource-policies.ts";

export type ResourcePoliciesOptions = {
  readonly table: RecordTable<PolicyRecord>;
  readonly catalog: Pick<FunctionCatalog, "get" | "touch" | "aliases" | "onDeleted">;
  readonly show: ShowPolicy;
  /** Told of policies that could not be removed with what they were about; the next start removes them. */
  readonly onFailure: (what: string, error: unknown) => void;
};

/** @throws HearthError STORE_FAILED. */
export async function createResourcePolicies(options: ResourcePoliciesOptions): Promise<ResourcePolicies> {
  const policies = new Policies(options);
  for (const record of await options.table.load()) {
    if (policies.revisionOf(record) === undefined) await options.table.delete(idOf(record));
    else policies.show(record);
  }
  options.catalog.onDeleted((deletion) => policies.forget(deletion));
  return policies;
}

class Policies implements ResourcePolicies {
  readonly #options: ResourcePoliciesOptions;
  /** By function, then by qualifier; empty text is the function itself. */
  readonly #functions = new Map<string, Map<string, PolicyRecord>>();
  /** Changes happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();
  /** The function whose policy is being changed, and whether it or a part of it was deleted meanwhile. */
  #changing: { readonly function: string; isDeleted: boolean } | undefined;

  constructor(options: ResourcePoliciesOptions) {
    this.#options = options;
  }

  statements(target: PolicyTarget): readonly PolicyStatement[] {
    return this.#functions.get(functionOf(target))?.get(target.qualifier ?? "")?.statements ?? [];
  }

  revisionOf({ accountId, name, qualifier }: PolicyTarget): string | undefined {
    const { catalog } = this.#options;
    const alias = qualifier === undefined ? undefined : catalog.aliases.get(accountId, name, qualifier);
    return (alias ?? catalog.get(accountId, name, qualifier))?.revisionId;
  }

  allows(target: PolicyTarget, request: AccessRequest): boolean {
    return isAllowed(this.statements(target), request);
  }

  add(target: PolicyTarget, statement: PolicyStatement, revisionId: string | undefined): Promise<PolicyAnswer> {
    return this.#change(target, revisionId, (statements) =>
      statements.some(({ sid }) => sid === statement.sid) ? "statementExists" : [...statements, statement],
    );
  }

  remove(target: PolicyTarget, sid: string, revisionId: string | undefined): Promise<PolicyAnswer> {
    return this.#change(target, revisionId, (statements) => {
      if (statements.length === 0) return "policyMissing";
      const rest = statements.filter((statement) => statement.sid !== sid);
      return rest.length === statements.length ? "statementMissing" : rest;
    });
  }

  show(record: PolicyRecord): void {
    const policies = this.#functions.get(functionOf(record)) ?? new Map<string, PolicyRecord>();
    if (record.statements.length === 0) policies.delete(record.qualifier ?? "");
    else policies.set(record.qualifier ?? "", record);
    if (policies.size === 0) this.#functions.delete(functionOf(record));
    else this.#functions.set(functionOf(record), policies);
  }

  forget(deletion: Deletion): void {
    if (this.#changing?.function === functionOf(deletion)) this.#changing.isDeleted = true;
    const policies = [...(this.#functions.get(functionOf(deletion))?.values() ?? [])];
    const gone = policies.filter(
      ({ qualifier }) => deletion.qualifier === undefined || qualifier === deletion.qualifier,
    );
    for (const record of gone) {
      this.show({ ...record, statements: [] });
      this.#options.table.delete(idOf(record)).catch((error: unknown) => {
        this.#options.onFailure(`the policy of ${idOf(record)}`, error);
      });
    }
  }

  /** A published version is immutable, and keeps its revision. */
  async #touch({ accountId, name, qualifier }: PolicyTarget): Promise<void> {
    const { catalog } = this.#options;
    if (qualifier === undefined) await catalog.touch(accountId, name);
    else if (catalog.aliases.get(accountId, name, qualifier) !== undefined) {
      await catalog.aliases.update(accountId, name, qualifier, () => ({}), { revisionId: undefined });
    }
  }

  #change(
    target: PolicyTarget,
    revisionId: string | undefined,
    change: (statements: readonly PolicyStatement[]) => readonly PolicyStatement[] | PolicyRefusal,
  ): Promise<PolicyAnswer> {
    const { table, show } = this.#options;
    const done = this.#lastChange.then(async (): Promise<PolicyAnswer> => {
      const changing = { function: functionOf(target), isDeleted: false };
      this.#changing = changing;
      const latest = this.revisionOf(target);
      if (latest === undefined) return { kind: "refused", why: "targetMissing" };
      const statements = change(this.statements(target));
      if (typeof statements === "string") return { kind: "refused", why: statements };
      if (revisionId !== undefined && revisionId !== latest) return { kind: "refused", why: "revisionMismatch" };
      const bytes = Buffer.byteLength(show(target, statements));
      if (bytes > POLICY_BYTES_MAX) return { kind: "refused", why: "tooLong", bytes };
      const { accountId, name, qualifier } = target;
      const record = { accountId, name, qualifier, statements };
      if (statements.length === 0) await table.delete(idOf(target));
      else await table.put(idOf(target), record);
      // Deleted meanwhile: its policy must not be there when somebody makes it again.
      if (changing.isDeleted) {
        await table.delete(idOf(target));
        return { kind: "refused", why: "targetMissing" };
      }
      this.show(record);
      await this.#touch(target);
      return { kind: "done" };
    });
    this.#lastChange = done.catch(() => {});
    return done;
  }
}

function functionOf({ accountId, name }: { readonly accountId: AccountId; readonly name: string }): string {
  return `${accountId}/${name}`;
}

function idOf({ accountId, name, qualifier = "" }: PolicyTarget): string {
  return `${accountId}/${name}/${qualifier}`;
}
