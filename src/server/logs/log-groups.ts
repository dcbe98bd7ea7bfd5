import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { FUNCTION_GROUP_PREFIX, type LogGroup, type LogGroupChange, type LogGroups } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { RecordTable } from "../../ports/record-table.ts";

export type LogGroupsOptions = {
  readonly table: RecordTable<LogGroup>;
  readonly logs: Pick<LogStore, "remove">;
  readonly clock: Clock;
  /** Told of groups of functions that could not be stored; the function's next cold start tries again. */
  readonly onFailure: (what: string, error: unknown) => void;
};

/** @throws HearthError STORE_FAILED. */
export async function createLogGroups(options: LogGroupsOptions): Promise<LogGroups> {
  return new Groups(options, await options.table.load());
}

class Groups implements LogGroups {
  readonly #options: LogGroupsOptions;
  /** By account, then by name. */
  readonly #accounts = new Map<AccountId, Map<string, LogGroup>>();
  /** Changes happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: LogGroupsOptions, groups: readonly LogGroup[]) {
    this.#options = options;
    for (const group of groups) this.#show(group);
  }

  get(accountId: AccountId, name: string): LogGroup | undefined {
    return this.#accounts.get(accountId)?.get(name);
  }

  list(accountId: AccountId): readonly LogGroup[] {
    const groups = [...(this.#accounts.get(accountId)?.values() ?? [])];
    return groups.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(accountId: AccountId, name: string, tags: LogGroup["tags"]): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.get(accountId, name) !== undefined) return false;
      await this.#save({ accountId, name, createdMs: this.#options.clock.nowMs(), tags });
      return true;
    });
  }

  change(accountId: AccountId, name: string, change: (group: LogGroup) => LogGroupChange): Promise<boolean> {
    return this.#inTurn(async () => {
      const group = this.get(accountId, name);
      if (group === undefined) return false;
      const { retentionDays = group.retentionDays, tags = group.tags } = change(group);
      await this.#save({ ...group, retentionDays: retentionDays === 0 ? undefined : retentionDays, tags });
      return true;
    });
  }

  delete(accountId: AccountId, name: string): Promise<boolean> {
    const { table, logs } = this.#options;
    return this.#inTurn(async () => {
      if (this.get(accountId, name) === undefined) return false;
      const functionName = functionOf(name);
      if (functionName !== undefined) await logs.remove(accountId, functionName);
      await table.delete(idOf(accountId, name));
      this.#accounts.get(accountId)?.delete(name);
      return true;
    });
  }

  begin(accountId: AccountId, functionName: string): void {
    const name = FUNCTION_GROUP_PREFIX + functionName;
    if (this.get(accountId, name) !== undefined) return;
    this.create(accountId, name, {}).catch((error: unknown) => {
      this.#options.onFailure(`the log group of ${accountId}/${functionName}`, error);
    });
  }

  async #save(group: LogGroup): Promise<void> {
    await this.#options.table.put(idOf(group.accountId, group.name), group);
    this.#show(group);
  }

  #show(group: LogGroup): void {
    const groups = this.#accounts.get(group.accountId) ?? new Map<string, LogGroup>();
    this.#accounts.set(group.accountId, groups.set(group.name, group));
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => {});
    return done;
  }
}

/** undefined: the group is no function's. */
function functionOf(name: string): string | undefined {
  return name.startsWith(FUNCTION_GROUP_PREFIX) ? name.slice(FUNCTION_GROUP_PREFIX.length) : undefined;
}

function idOf(accountId: AccountId, name: string): string {
  return `${accountId}/${name}`;
}
