import { randomUUID } from "node:crypto";
import type { AccountId } from "../../model/ids.ts";
import type { AliasCatalog, AliasDescription, AliasRecord, AliasSettings } from "../../ports/alias-catalog.ts";
import type { CatalogAnswer, UpdateCondition } from "../../ports/catalog-answer.ts";
import type { Deletion } from "../../ports/function-catalog.ts";
import type { FunctionStore } from "../../ports/function-store.ts";
import { functionArn } from "./function-arn.ts";
import type { FunctionEntry } from "./function-entry.ts";
import type { FunctionTable } from "./function-table.ts";
import type { FunctionTurns } from "./function-turns.ts";
import { withoutProvisioned } from "./provisioned.ts";
import { refused } from "./refused.ts";

export type AliasesOptions = {
  readonly table: FunctionTable;
  readonly turns: FunctionTurns;
  readonly store: FunctionStore;
  readonly region: string;
  readonly onDeleted: (deletion: Deletion) => void;
  /** An alias is new, or was changed. */
  readonly onMoved: (record: AliasRecord) => void;
};

/** Names for versions. An alias has no containers of its own: a call of it runs a version, under that version's key. */
export class Aliases implements AliasCatalog {
  readonly #options: AliasesOptions;

  constructor(options: AliasesOptions) {
    this.#options = options;
  }

  create(
    accountId: AccountId,
    name: string,
    alias: string,
    settings: AliasSettings,
  ): Promise<CatalogAnswer<AliasDescription>> {
    return this.#change(accountId, name, async (entry) => {
      if (entry.aliases.has(alias)) return refused("aliasExists");
      return this.#save(entry, { accountId, name, alias, ...settings, revisionId: randomUUID() });
    });
  }

  get(accountId: AccountId, name: string, alias: string): AliasDescription | undefined {
    const record = this.#options.table.find(accountId, name)?.aliases.get(alias);
    return record === undefined ? undefined : this.#describe(record);
  }

  update(
    accountId: AccountId,
    name: string,
    alias: string,
    change: (before: AliasSettings) => Partial<AliasSettings>,
    condition: UpdateCondition,
  ): Promise<CatalogAnswer<AliasDescription>> {
    return this.#change(accountId, name, async (entry) => {
      const record = entry.aliases.get(alias);
      if (record === undefined) return refused("aliasMissing");
      if (condition.revisionId !== undefined && condition.revisionId !== record.revisionId) {
        return refused("revisionMismatch");
      }
      return this.#save(entry, { ...record, ...change(record), revisionId: randomUUID() });
    });
  }

  delete(accountId: AccountId, name: string, alias: string): Promise<CatalogAnswer<void>> {
    return this.#change(accountId, name, async (entry): Promise<CatalogAnswer<void>> => {
      if (!entry.aliases.has(alias)) return { kind: "done", value: undefined };
      const record = withoutProvisioned(entry.latest.record, alias);
      await this.#options.store.deleteAlias(alias, record);
      entry.latest = { ...entry.latest, record };
      entry.aliases.delete(alias);
      this.#options.onDeleted({ accountId, name, qualifier: alias });
      return { kind: "done", value: undefined };
    });
  }

  list(
    accountId: AccountId,
    name: string,
    version: string | undefined,
    afterAlias: string,
    count: number,
  ): AliasDescription[] | undefined {
    const entry = this.#options.table.find(accountId, name);
    if (entry === undefined) return undefined;
    return [...entry.aliases.values()]
      .filter((record) => record.alias > afterAlias && (version === undefined || leadsTo(record, version)))
      .sort((a, b) => (a.alias < b.alias ? -1 : 1))
      .slice(0, count)
      .map((record) => this.#describe(record));
  }

  #change<T>(
    accountId: AccountId,
    name: string,
    change: (entry: FunctionEntry) => Promise<CatalogAnswer<T>>,
  ): Promise<CatalogAnswer<T>> {
    return this.#options.turns.take(accountId, name, async () => {
      const entry = this.#options.table.find(accountId, name);
      return entry === undefined ? refused("missing") : change(entry);
    });
  }

  async #save(entry: FunctionEntry, record: AliasRecord): Promise<CatalogAnswer<AliasDescription>> {
    const missing = [record.version, ...(record.route === undefined ? [] : [record.route.version])].find(
      (version) => version !== "$LATEST" && !entry.versions.has(version),
    );
    if (missing !== undefined) return refused("versionMissing", missing);
    await this.#options.store.putAlias(record);
    entry.aliases.set(record.alias, record);
    this.#options.onMoved(record);
    return { kind: "done", value: this.#describe(record) };
  }

  #describe(record: AliasRecord): AliasDescription {
    const { accountId, name, alias } = record;
    return { ...record, arn: `${functionArn(this.#options.region, accountId, name)}:${alias}` };
  }
}

/** Whether an alias sends calls to a version. */
export function leadsTo({ version, route }: AliasRecord, number: string): boolean {
  return version === number || route?.version === number;
}
