import type { AccountId } from "../../model/ids.ts";
import type { IamTable } from "../../ports/iam-entities.ts";
import type { RecordTable } from "../../ports/record-table.ts";

type Entity = { readonly accountId: AccountId; readonly name: string };

/** @throws HearthError STORE_FAILED. */
export async function openIamTable<T extends Entity>(table: RecordTable<T>): Promise<IamTable<T>> {
  return new Entities(table, await table.load());
}

class Entities<T extends Entity> implements IamTable<T> {
  readonly #table: RecordTable<T>;
  /** By account, then by name. */
  readonly #accounts = new Map<AccountId, Map<string, T>>();
  /** Changes happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(table: RecordTable<T>, entities: readonly T[]) {
    this.#table = table;
    for (const entity of entities) this.#of(entity.accountId).set(entity.name, entity);
  }

  get(accountId: AccountId, name: string): T | undefined {
    return this.#accounts.get(accountId)?.get(name);
  }

  list(accountId: AccountId): readonly T[] {
    const entities = [...(this.#accounts.get(accountId)?.values() ?? [])];
    return entities.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  change(accountId: AccountId, name: string, change: (entity: T | undefined) => T | undefined): Promise<T | undefined> {
    const done = this.#lastChange.then(async () => {
      const entity = change(this.get(accountId, name));
      const id = `${accountId}/${name}`;
      if (entity === undefined) {
        await this.#table.delete(id);
        this.#accounts.get(accountId)?.delete(name);
      } else {
        await this.#table.put(id, entity);
        this.#of(accountId).set(name, entity);
      }
      return entity;
    });
    this.#lastChange = done.catch(() => {});
    return done;
  }

  #of(accountId: AccountId): Map<string, T> {
    const entities = this.#accounts.get(accountId) ?? new Map<string, T>();
    this.#accounts.set(accountId, entities);
    return entities;
  }
}
