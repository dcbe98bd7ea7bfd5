import { randomBytes } from "node:crypto";
import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Deletion, FunctionCatalog } from "../../ports/function-catalog.ts";
import type { FunctionUrl, FunctionUrlSettings, FunctionUrls, FunctionUrlTarget } from "../../ports/function-urls.ts";
import type { RecordTable } from "../../ports/record-table.ts";

export type FunctionUrlsOptions = {
  readonly table: RecordTable<FunctionUrl>;
  readonly catalog: Pick<FunctionCatalog, "get" | "onDeleted">;
  readonly clock: Clock;
  /** Told of URLs that could not be removed with their function; the next start removes them. */
  readonly onFailure: (what: string, error: unknown) => void;
};

const ID_LENGTH = 32;

/** @throws HearthError STORE_FAILED. */
export async function createFunctionUrls(options: FunctionUrlsOptions): Promise<FunctionUrls> {
  const urls = new Urls(options);
  for (const url of await options.table.load()) {
    if (urls.hasFunction(url)) urls.show(url);
    else await options.table.delete(url.id);
  }
  options.catalog.onDeleted((deletion) => urls.forget(deletion));
  return urls;
}

class Urls implements FunctionUrls {
  readonly #options: FunctionUrlsOptions;
  readonly #byId = new Map<string, FunctionUrl>();
  /** By function, then by alias; empty text is `$LATEST`. */
  readonly #functions = new Map<string, Map<string, FunctionUrl>>();
  /** Changes happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: FunctionUrlsOptions) {
    this.#options = options;
  }

  get(target: FunctionUrlTarget): FunctionUrl | undefined {
    return this.#functions.get(functionOf(target))?.get(target.qualifier ?? "");
  }

  find(id: string): FunctionUrl | undefined {
    return this.#byId.get(id);
  }

  list(accountId: AccountId, name: string): FunctionUrl[] {
    const urls = this.#functions.get(functionOf({ accountId, name })) ?? new Map<string, FunctionUrl>();
    return [...urls].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, url]) => url);
  }

  create(target: FunctionUrlTarget, settings: FunctionUrlSettings): Promise<FunctionUrl | undefined> {
    return this.#inTurn(() => {
      if (this.get(target) !== undefined) return undefined;
      const { accountId, name, qualifier } = target;
      const nowMs = this.#options.clock.nowMs();
      return this.#save({ accountId, name, qualifier, ...settings, id: newId(), createdMs: nowMs, modifiedMs: nowMs });
    });
  }

  update(target: FunctionUrlTarget, change: Partial<FunctionUrlSettings>): Promise<FunctionUrl | undefined> {
    return this.#inTurn(() => {
      const before = this.get(target);
      if (before === undefined) return undefined;
      return this.#save({ ...before, ...change, modifiedMs: this.#options.clock.nowMs() });
    });
  }

  delete(target: FunctionUrlTarget): Promise<boolean> {
    return this.#inTurn(async () => {
      const url = this.get(target);
      if (url === undefined) return false;
      await this.#options.table.delete(url.id);
      this.#hide(url);
      return true;
    });
  }

  hasFunction({ accountId, name, qualifier }: FunctionUrlTarget): boolean {
    return this.#options.catalog.get(accountId, name, qualifier) !== undefined;
  }

  show(url: FunctionUrl): void {
    const urls = this.#functions.get(functionOf(url)) ?? new Map<string, FunctionUrl>();
    this.#functions.set(functionOf(url), urls.set(url.qualifier ?? "", url));
    this.#byId.set(url.id, url);
  }

  forget(deletion: Deletion): void {
    for (const url of this.list(deletion.accountId, deletion.name)) {
      if (deletion.qualifier !== undefined && deletion.qualifier !== url.qualifier) continue;
      this.#hide(url);
      this.#options.table.delete(url.id).catch((error: unknown) => {
        this.#options.onFailure(`the URL of ${functionOf(url)}`, error);
      });
    }
  }

  /** @returns undefined: its function was deleted meanwhile. */
  async #save(url: FunctionUrl): Promise<FunctionUrl | undefined> {
    const { table } = this.#options;
    await table.put(url.id, url);
    if (this.hasFunction(url)) {
      this.show(url);
      return url;
    }
    await table.delete(url.id);
    return undefined;
  }

  #hide(url: FunctionUrl): void {
    this.#byId.delete(url.id);
    const urls = this.#functions.get(functionOf(url));
    urls?.delete(url.qualifier ?? "");
    if (urls?.size === 0) this.#functions.delete(functionOf(url));
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#lastChange.then(work);
    this.#lastChange = done.catch(() => {});
    return done;
  }
}

function functionOf({ accountId, name }: Pick<FunctionUrlTarget, "accountId" | "name">): string {
  return `${accountId}/${name}`;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** Cannot be guessed: 160 bits of chance. */
function newId(): string {
  return Array.from(randomBytes(ID_LENGTH), (byte) => LETTERS[byte % LETTERS.length]).join("");
}
