import { type CapacitySettings, DEFAULT_CAPACITY } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";
import type { CapacityChange } from "../ports/capacity-change.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";

export type AccountCapacitiesOptions = {
  readonly store: Pick<Store, "loadCapacities" | "capacityChanges" | "putCapacity">;
  readonly clock: Clock;
  readonly log: Log;
  /** In the order of the changes, each once it is on disk; those of an earlier server come with `load`. */
  onChange(accountId: AccountId, capacity: CapacitySettings): void;
};

/** The capacity settings of all accounts: in memory for reading, written and logged with who changed them. */
export class AccountCapacities {
  readonly #options: AccountCapacitiesOptions;
  readonly #settings = new Map<AccountId, CapacitySettings>();
  /** Changes are made one after the other: what the log says was there before must have been. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: AccountCapacitiesOptions) {
    this.#options = options;
  }

  /** @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const { accountId, after } of await this.#options.store.loadCapacities()) this.#apply(accountId, after);
  }

  of(accountId: AccountId): CapacitySettings {
    return this.#settings.get(accountId) ?? DEFAULT_CAPACITY;
  }

  /** Newest first. @throws HearthError STORE_FAILED. */
  changes(accountId: AccountId): Promise<CapacityChange[]> {
    return this.#options.store.capacityChanges(accountId);
  }

  /** Resolves when the change is on disk and in force. @throws HearthError STORE_FAILED; then nothing has changed. */
  set(accountId: AccountId, after: CapacitySettings, changedBy: string): Promise<void> {
    const change = this.#lastChange.then(() => this.#set(accountId, after, changedBy));
    this.#lastChange = change.catch(() => {});
    return change;
  }

  async #set(accountId: AccountId, after: CapacitySettings, changedBy: string): Promise<void> {
    const { store, clock, log } = this.#options;
    const before = this.of(accountId);
    await store.putCapacity({ accountId, changedMs: clock.nowMs(), changedBy, before, after });
    log.info({ accountId, changedBy, before, after }, "the capacity settings of an account were changed");
    this.#apply(accountId, after);
  }

  #apply(accountId: AccountId, capacity: CapacitySettings): void {
    this.#settings.set(accountId, capacity);
    this.#options.onChange(accountId, capacity);
  }
}
