import type { AccountId, FunctionKey } from "../model/ids.ts";

/**
 * Whom what happened may let run. Those who wait are tried only then, and only they; so there is neither a lost wake-up nor a
 * busy loop (docs/design/0007-capacity.md has the table).
 */
export class Wakes {
  /** A container of the function turned idle. */
  readonly functionKeys = new Set<FunctionKey>();
  /** On one of the account's instances memory or a blank container became free. */
  readonly accountIds = new Set<AccountId>();
  /** A warming instance has something to offer, or terms changed. */
  all = false;
  /** Something became free since the last `clearNames`, also where those who were woken by it have been looked at. */
  hasRoom = false;
  /** Room must be brought about for those who still wait. */
  supply = false;

  get isAny(): boolean {
    return this.supply || this.namesAny;
  }

  /** Whether somebody who waits is to be looked at. */
  get namesAny(): boolean {
    return this.all || this.functionKeys.size > 0 || this.accountIds.size > 0;
  }

  /** An instance has more to give than before. */
  byInstance({ accountId }: { readonly accountId: AccountId | undefined }): void {
    if (accountId === undefined) this.all = true;
    else this.accountIds.add(accountId);
    this.hasRoom = true;
    this.supply = true;
  }

  everybody(): void {
    this.all = true;
    this.hasRoom = true;
    this.supply = true;
  }

  clear(): void {
    this.clearNames();
    this.supply = false;
  }

  clearNames(): void {
    // Clearing an empty set is not free.
    if (this.functionKeys.size > 0) this.functionKeys.clear();
    if (this.accountIds.size > 0) this.accountIds.clear();
    this.all = false;
    this.hasRoom = false;
  }
}
