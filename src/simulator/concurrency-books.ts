import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { Event } from "../model/event.ts";
import { functionIdIn, functionIdOf } from "../model/function-id.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";

/** `counted`: executions, with those that wait for fixed capacity. `running`: those that have begun. */
type What = "counted" | "running";
type Version = { readonly functionId: string; counted: number; running: number };
type Account = Record<What, number> & {
  readonly versions: Map<FunctionKey, Version>;
  /** By function. */
  readonly asked: Map<string, ConcurrencySettings>;
};
type Counted = Pick<Invocation, "accountId" | "functionKey">;

/**
 * What the core of now was told of executions at a time, and how many there are, each share added up anew for each question: a function
 * has what it reserves, the others share what is left of their account's, and what is provisioned of a version is set apart.
 */
export class ConcurrencyBooks {
  readonly #accountMax: number;
  readonly #accounts = new Map<AccountId, Account>();

  constructor(accountMax: number) {
    this.#accountMax = accountMax;
  }

  told({ accountId, functionName, settings }: Extract<Event, { kind: "ConcurrencyConfigured" }>): void {
    const { asked } = this.#account(accountId);
    const functionId = functionIdOf(accountId, functionName);
    if (settings === undefined) asked.delete(functionId);
    else asked.set(functionId, settings);
  }

  add(what: What, { accountId, functionKey }: Counted, step: 1 | -1): void {
    const account = this.#account(accountId);
    let version = account.versions.get(functionKey);
    if (version === undefined) {
      version = { functionId: functionIdIn(functionKey), counted: 0, running: 0 };
      account.versions.set(functionKey, version);
    }
    account[what] += step;
    version[what] += step;
  }

  reservedOf({ accountId, functionKey }: Counted): number | undefined {
    return this.#accounts.get(accountId)?.asked.get(functionIdIn(functionKey))?.reserved;
  }

  /** All versions that shall be held ready. */
  *provisioned(): IterableIterator<{ accountId: AccountId; wanted: ConcurrencySettings["provisioned"][number] }> {
    for (const [accountId, { asked }] of this.#accounts) {
      for (const { provisioned } of asked.values()) for (const wanted of provisioned) yield { accountId, wanted };
    }
  }

  /** Of the account, without regard to what is set apart. */
  totalOf(what: What, accountId: AccountId): number {
    return this.#account(accountId)[what];
  }

  /** By how many there are more than the account may have, or than its function (or all that reserve nothing) may have. */
  excess(what: What, { accountId, functionKey }: Counted): { readonly ofAccount: number; readonly ofShare: number } {
    const account = this.#account(accountId);
    const { versions, asked } = account;
    const ofAccount = account[what] - this.#accountMax;
    const own = versions.get(functionKey)?.[what] ?? 0;
    if (asked.size === 0) return { ofAccount, ofShare: Math.min(ofAccount, own) };
    const functionId = functionIdIn(functionKey);
    const reserving = asked.get(functionId)?.reserved === undefined ? undefined : functionId;
    let shareUse = 0;
    for (const [key, version] of versions) {
      const settings = asked.get(version.functionId);
      const isMeant = reserving === undefined ? settings?.reserved === undefined : version.functionId === reserving;
      if (isMeant) shareUse += Math.max(0, version[what] - provisionedBy(settings, key));
    }
    const uncovered = own - provisionedBy(asked.get(functionId), functionKey);
    const ofShare = shareUse - this.#shareLimit(asked, reserving);
    return { ofAccount, ofShare: Math.min(ofShare, uncovered) };
  }

  /** Whether one more of it might begin. */
  mayRun(invocation: Counted): boolean {
    const { ofAccount, ofShare } = this.excess("running", invocation);
    return ofAccount < 0 && ofShare < 0;
  }

  serverEnded(): void {
    this.#accounts.clear();
  }

  #account(accountId: AccountId): Account {
    let account = this.#accounts.get(accountId);
    if (account === undefined) {
      account = { counted: 0, running: 0, versions: new Map(), asked: new Map() };
      this.#accounts.set(accountId, account);
    }
    return account;
  }

  /** @param reserving the function that reserves some; undefined: all that do not. */
  #shareLimit(asked: Account["asked"], reserving: string | undefined): number {
    const own = reserving === undefined ? undefined : asked.get(reserving);
    if (own?.reserved !== undefined) return Math.max(0, own.reserved - sumOf(own));
    let left = this.#accountMax;
    for (const settings of asked.values()) left -= settings.reserved ?? sumOf(settings);
    return Math.max(0, left);
  }
}

function provisionedBy(settings: ConcurrencySettings | undefined, functionKey: FunctionKey): number {
  return settings?.provisioned.find((each) => each.functionKey === functionKey)?.count ?? 0;
}

function sumOf({ provisioned }: ConcurrencySettings): number {
  return provisioned.reduce((sum, { count }) => sum + count, 0);
}
