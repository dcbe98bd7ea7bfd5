import type { AccountId } from "../../model/ids.ts";
import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import { refused } from "./refused.ts";

/** Changes of one function happen one after the other; those of different functions know nothing of each other. */
export class FunctionTurns {
  readonly #last = new Map<string, Promise<unknown>>();
  /** Functions with an update on its way. */
  readonly #updating = new Set<string>();

  /** After the changes that were asked for before, whether these succeeded or not. */
  async take<T>(accountId: AccountId, name: string, work: () => Promise<T>): Promise<T> {
    const key = `${accountId}/${name}`;
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }

  /** A second update of a function is refused, not queued: that is what Lambda does. */
  async update<T>(
    accountId: AccountId,
    name: string,
    work: () => Promise<CatalogAnswer<T>>,
  ): Promise<CatalogAnswer<T>> {
    const key = `${accountId}/${name}`;
    if (this.#updating.has(key)) return refused("updateInProgress");
    this.#updating.add(key);
    try {
      return await this.take(accountId, name, work);
    } finally {
      this.#updating.delete(key);
    }
  }
}
