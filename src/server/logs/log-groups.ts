import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { type LogGroup, type LogGroupChange, type LogGroups, logNameOf, ownGroupOf } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { RecordTable } from "../../ports/record-table.ts";

/** Functions of which a group keeps that they wrote to it: the latest ones. Others are told again at their next cold start. */
const FUNCTION_NAMES_MAX = 1000;

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
      await logs.remove(accountId, logNameOf(name));
      await table.delete(idOf(accountId, name));
      this.#accounts.get(accountId)?.delete(name);
      return true;
    });
  }

  begin(accountId: AccountId, name: string, functionName: string): void {
    if (knows(this.get(accountId, name), functionName)) return;
    this.#inTurn(async () => {
      const known = this.get(accountId, name);
      if (knows(known, functionName)) return;
      const group = known ?? { accountId, name, createdMs: this.#options.clock.nowMs(), tags: {} };
      await this.#save(name === ownGroupOf(functionName) ? group : writtenBy(group, functionName));
    }).catch((error: unknown) => {
      this.#options.onFailure(`the log group of ${accountId}/${functionName}`, error);
    });
  }

  logNamesOf(accountId: AccountId, functionName: string): readonly string[] | undefined {
    const own = ownGroupOf(functionName);
    const others = this.list(accountId).filter(({ functionNames = [] }) => functionNames.includes(functionName));
    const isShared = this.get(accountId, own)?.functionNames !== undefined;
    return others.length === 0 && !isShared ? undefined : [own, ...others.map(({ name }) => name)].map(logNameOf);
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

/** The group is there, and is told to be the function's. */
function knows(group: LogGroup | undefined, functionName: string): boolean {
  if (group === undefined) return false;
  return group.name === ownGroupOf(functionName) || group.functionNames?.includes(functionName) === true;
}

function writtenBy(group: LogGroup, functionName: string): LogGroup {
  const { functionNames = [] } = group;
  return { ...group, functionNames: [...functionNames, functionName].slice(-FUNCTION_NAMES_MAX) };
}

function idOf(accountId: AccountId, name: string): string {
  return `${accountId}/${name}`;
}
