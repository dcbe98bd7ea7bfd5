import type { AccountId } from "../../model/ids.ts";
import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import {
  type ConcurrencyCatalog,
  type FunctionConcurrency,
  type ProvisionedDescription,
  UNRESERVED_CONCURRENCY_MIN,
} from "../../ports/concurrency-catalog.ts";
import type { FunctionRecord } from "../../ports/function-catalog.ts";
import { type FunctionEntry, namedVersion } from "./function-entry.ts";
import type { FunctionTable } from "./function-table.ts";
import { provisionedSum, withoutProvisioned } from "./provisioned.ts";
import { refused } from "./refused.ts";

export type ConcurrencyOptions = {
  readonly table: FunctionTable;
  /** Executions at a time of each account. */
  readonly accountConcurrencyMax: number;
  readonly nowMs: () => number;
  /** Changes what belongs to a function as a whole. */
  amend(
    accountId: AccountId,
    name: string,
    change: (entry: FunctionEntry) => FunctionRecord | CatalogAnswer<never>,
  ): Promise<CatalogAnswer<FunctionEntry>>;
};

/** Reserved and provisioned concurrency as they are asked for; an account's sum is kept within its limit here. */
export class Concurrency implements ConcurrencyCatalog {
  readonly #options: ConcurrencyOptions;
  readonly #listeners: ((accountId: AccountId, name: string) => void)[] = [];
  /** Changes happen one after another: what one function may have depends on what all others have. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: ConcurrencyOptions) {
    this.#options = options;
  }

  reserved(accountId: AccountId, name: string): number | undefined {
    return this.#find(accountId, name)?.reservedConcurrency;
  }

  reservedSum(accountId: AccountId): number {
    const records = this.#options.table.ofAccount(accountId).map(({ latest }) => latest.record);
    return records.reduce((sum, { reservedConcurrency = 0 }) => sum + reservedConcurrency, 0);
  }

  reserve(accountId: AccountId, name: string, count: number | undefined): Promise<CatalogAnswer<void>> {
    return this.#change(accountId, name, ({ latest: { record } }) => {
      if (count === undefined) return { ...record, reservedConcurrency: undefined };
      const sum = provisionedSum(record);
      if (count < sum) return refused("reservedBelowProvisioned", String(sum));
      const left = this.#unreserved(accountId, record) - count;
      if (count > 0 && left < UNRESERVED_CONCURRENCY_MIN) return refused("unreservedBelowMin");
      return { ...record, reservedConcurrency: count };
    });
  }

  provisioned(accountId: AccountId, name: string, qualifier: string): ProvisionedDescription | undefined {
    const found = this.#find(accountId, name)?.provisioned?.[qualifier];
    return found === undefined ? undefined : { ...found, qualifier };
  }

  listProvisioned(accountId: AccountId, name: string): ProvisionedDescription[] | undefined {
    const record = this.#find(accountId, name);
    return record === undefined ? undefined : provisionedOf(record);
  }

  async provision(
    accountId: AccountId,
    name: string,
    qualifier: string,
    count: number,
  ): Promise<CatalogAnswer<ProvisionedDescription>> {
    const config = { count, lastModifiedMs: this.#options.nowMs() };
    const answer = await this.#change(accountId, name, (entry) => {
      const { record } = entry.latest;
      const sum = provisionedSum(record, qualifier) + count;
      const provisioned = { ...record.provisioned, [qualifier]: config };
      return overlap(entry, qualifier) ?? this.#excess(accountId, record, sum) ?? { ...record, provisioned };
    });
    return answer.kind === "done" ? { kind: "done", value: { ...config, qualifier } } : answer;
  }

  unprovision(accountId: AccountId, name: string, qualifier: string): Promise<CatalogAnswer<void>> {
    return this.#change(accountId, name, ({ latest: { record } }) => withoutProvisioned(record, qualifier));
  }

  of(accountId: AccountId, name: string): FunctionConcurrency | undefined {
    const entry = this.#options.table.find(accountId, name);
    if (entry === undefined) return undefined;
    const { record } = entry.latest;
    return {
      reserved: record.reservedConcurrency,
      provisioned: provisionedOf(record).map(({ qualifier, count }) => {
        const route = entry.aliases.get(qualifier)?.route;
        const named = [{ name: qualifier, weight: 1 - (route?.weight ?? 0) }];
        if (route !== undefined) named.push({ name: route.version, weight: route.weight });
        const versions = named.flatMap(({ name: each, weight }) => {
          const version = namedVersion(entry, each)?.version;
          return version === undefined ? [] : [{ version, weight }];
        });
        return { qualifier, count, versions };
      }),
    };
  }

  all(): { readonly accountId: AccountId; readonly name: string }[] {
    return this.#options.table
      .all()
      .map(({ latest }) => latest.record)
      .filter((record) => record.reservedConcurrency !== undefined || provisionedOf(record).length > 0)
      .map(({ accountId, name }) => ({ accountId, name }));
  }

  onChanged(listener: (accountId: AccountId, name: string) => void): void {
    this.#listeners.push(listener);
  }

  /** To be called for what changes elsewhere: a function or a version that is gone, an alias that was moved. */
  changed(accountId: AccountId, name: string): void {
    for (const listener of this.#listeners) listener(accountId, name);
  }

  /** What the account has left for this function: all but what others reserve. */
  #unreserved(accountId: AccountId, record: FunctionRecord): number {
    const others = this.reservedSum(accountId) - (record.reservedConcurrency ?? 0);
    return this.#options.accountConcurrencyMax - others;
  }

  /** Why a function may not have this much provisioned; undefined: it may. */
  #excess(accountId: AccountId, record: FunctionRecord, sum: number): CatalogAnswer<never> | undefined {
    const { reservedConcurrency } = record;
    if (reservedConcurrency !== undefined) {
      return sum > reservedConcurrency ? refused("provisionedAboveReserved") : undefined;
    }
    const unreserved = this.#unreserved(accountId, record);
    if (sum > unreserved) return refused("provisionedAboveUnreserved", String(unreserved));
    return sum > unreserved - UNRESERVED_CONCURRENCY_MIN ? refused("provisionedBelowMin") : undefined;
  }

  async #change(
    accountId: AccountId,
    name: string,
    change: (entry: FunctionEntry) => FunctionRecord | CatalogAnswer<never>,
  ): Promise<CatalogAnswer<void>> {
    const amended = this.#lastChange.then(() => this.#options.amend(accountId, name, change));
    this.#lastChange = amended.catch(() => {});
    const answer = await amended;
    if (answer.kind === "refused") return answer;
    this.changed(accountId, name);
    return { kind: "done", value: undefined };
  }

  #find(accountId: AccountId, name: string): FunctionRecord | undefined {
    return this.#options.table.find(accountId, name)?.latest.record;
  }
}

/** Sorted by qualifier. */
function provisionedOf({ provisioned = {} }: FunctionRecord): ProvisionedDescription[] {
  return Object.entries(provisioned)
    .map(([qualifier, config]) => ({ ...config, qualifier }))
    .sort((a, b) => (a.qualifier < b.qualifier ? -1 : 1));
}

/** A version and an alias of it cannot both have something provisioned. */
function overlap(entry: FunctionEntry, qualifier: string): CatalogAnswer<never> | undefined {
  const { provisioned = {} } = entry.latest.record;
  const alias = entry.aliases.get(qualifier);
  if (alias !== undefined) return alias.version in provisioned ? refused("aliasOfProvisioned") : undefined;
  const pointing = [...entry.aliases.values()].filter(({ version }) => version === qualifier);
  return pointing.some((each) => each.alias in provisioned) ? refused("versionOfProvisionedAlias") : undefined;
}
