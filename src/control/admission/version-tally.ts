import type { AccountId, FunctionKey } from "../../model/ids.ts";
import { Share } from "./share.ts";

/** What is counted of one account. */
export class AccountTally {
  readonly id: AccountId;
  readonly limit: number;
  /** Executions, with those that wait for fixed capacity; and those that have begun. */
  counted = 0;
  running = 0;
  /** What functions reserve, and what is provisioned of functions that reserve nothing. */
  setApart = 0;
  /** All that is left of it. */
  readonly share: Share;
  /** Of how many function versions something is counted. */
  versions = 0;

  constructor(id: AccountId, limit: number) {
    this.id = id;
    this.limit = limit;
    this.share = new Share(undefined, limit);
  }

  /** How many more of it may begin. */
  get places(): number {
    return Math.max(0, this.limit - this.running);
  }

  setAside(step: number): void {
    this.setApart += step;
    this.share.limit = Math.max(0, this.limit - this.setApart);
  }
}

/**
 * What is counted of one function version. As many executions as are provisioned of it need no place of the share; which of
 * them run in a provisioned container makes no difference.
 */
export class VersionTally {
  readonly functionKey: FunctionKey;
  /** Account and name. */
  readonly functionId: string;
  readonly account: AccountTally;
  /** Between admission and end. */
  admitted = 0;
  counted = 0;
  running = 0;
  provisioned = 0;
  share: Share;

  constructor(functionKey: FunctionKey, functionId: string, account: AccountTally) {
    this.functionKey = functionKey;
    this.functionId = functionId;
    this.account = account;
    this.share = account.share;
  }

  /** Whether one more may be counted. */
  get hasPlace(): boolean {
    const { account, share } = this;
    if (account.counted >= account.limit) return false;
    return this.counted < this.provisioned || share.counted < share.limit;
  }

  /** Whether one more may begin. */
  get mayRun(): boolean {
    const { account, share } = this;
    if (account.running >= account.limit) return false;
    return this.running < this.provisioned || share.running < share.limit;
  }

  /** How many more may begin without a place of the share. */
  get ownPlaces(): number {
    return Math.max(0, this.provisioned - this.running);
  }

  count(): void {
    this.account.counted++;
    if (this.counted++ >= this.provisioned) this.share.counted++;
  }

  countNoMore(): void {
    this.account.counted--;
    if (--this.counted >= this.provisioned) this.share.counted--;
  }

  began(): void {
    this.account.running++;
    if (this.running++ >= this.provisioned) this.share.running++;
  }

  ended(): void {
    this.account.running--;
    if (--this.running >= this.provisioned) this.share.running--;
  }

  /** Its function reserves something else, or something else is provisioned of it. */
  moveTo(share: Share, provisioned: number): void {
    this.#weigh(-1);
    this.share = share;
    this.provisioned = provisioned;
    this.#weigh(1);
  }

  #weigh(step: 1 | -1): void {
    this.share.counted += step * Math.max(0, this.counted - this.provisioned);
    this.share.running += step * Math.max(0, this.running - this.provisioned);
  }
}
