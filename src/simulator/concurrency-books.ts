import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { Event } from "../model/event.ts";
import { functionIdIn, functionIdOf } from "../model/function-id.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";

/** `counted`: executions, with those that wait for fixed capacity. `running`: those that have begun. */
type What = "counted" | "running";
type Version = { readonly accountId: AccountId; readonly functionId: string; counted: number; running: number };
type Asked = { readonly accountId: AccountId; readonly settings: ConcurrencySettings };
type Counted = Pick<Invocation, "accountId" | "functionKey">;

/**
 * What the core of now was told of executions at a time, and how many there are, added up anew for each question: a function
 * has what it reserves, the others share what is left of their account's, and what is provisioned of a version is set apart.
 */
export class ConcurrencyBooks {
  readonly #accountMax: number;
  readonly #asked = new Map<string, Asked>();
  readonly #versions = new Map<FunctionKey, Version>();

  constructor(accountMax: number) {
    this.#accountMax = accountMax;
  }

  told({ accountId, functionName, settings }: Extract<Event, { kind: "ConcurrencyConfigured" }>): void {
    const functionId = functionIdOf(accountId, functionName);
    if (settings === undefined) this.#asked.delete(functionId);
    else this.#asked.set(functionId, { accountId, settings });
  }

  add(what: What, { accountId, functionKey }: Counted, step: 1 | -1): void {
    let version = this.#versions.get(functionKey);
    if (version === undefined) {
      version = { accountId, functionId: functionIdIn(functionKey), counted: 0, running: 0 };
      this.#versions.set(functionKey, version);
    }
    version[what] += step;
    if (version.counted === 0 && version.running === 0) this.#versions.delete(functionKey);
  }

  reservedOf({ functionKey }: Pick<Counted, "functionKey">): number | undefined {
    return this.#asked.get(functionIdIn(functionKey))?.settings.reserved;
  }

  provisionedOf(functionKey: FunctionKey): number {
    const { provisioned = [] } = this.#asked.get(functionIdIn(functionKey))?.settings ?? {};
    return provisioned.find((each) => each.functionKey === functionKey)?.count ?? 0;
  }

  /** All versions that shall be held ready. */
  *provisioned(): IterableIterator<{ accountId: AccountId; wanted: ConcurrencySettings["provisioned"][number] }> {
    for (const { accountId, settings } of this.#asked.values()) {
      for (const wanted of settings.provisioned) yield { accountId, wanted };
    }
  }

  /** Of the account, without regard to what is set apart. */
  totalOf(what: What, accountId: AccountId): number {
    let total = 0;
    for (const version of this.#versions.values()) if (version.accountId === accountId) total += version[what];
    return total;
  }

  /** By how many there are more than the account may have, or than its function (or all that reserve nothing) may have. */
  excess(what: What, invocation: Counted): { readonly ofAccount: number; readonly ofShare: number } {
    const { accountId, functionKey } = invocation;
    const ofAccount = this.totalOf(what, accountId) - this.#accountMax;
    const own = this.#versions.get(functionKey)?.[what] ?? 0;
    const uncovered = own - this.provisionedOf(functionKey);
    const ofShare = this.#shareUse(what, invocation) - this.#shareLimit(invocation);
    return { ofAccount, ofShare: Math.min(ofShare, uncovered) };
  }

  /** Whether one more of it might begin. */
  mayRun(invocation: Counted): boolean {
    const { ofAccount, ofShare } = this.excess("running", invocation);
    return ofAccount < 0 && ofShare < 0;
  }

  serverEnded(): void {
    this.#asked.clear();
    this.#versions.clear();
  }

  #shareUse(what: What, { accountId, functionKey }: Counted): number {
    const isOwn = this.reservedOf({ functionKey }) !== undefined;
    const functionId = functionIdIn(functionKey);
    let use = 0;
    for (const [key, version] of this.#versions) {
      const isMeant = isOwn
        ? version.functionId === functionId
        : version.accountId === accountId && this.reservedOf({ functionKey: key }) === undefined;
      if (isMeant) use += Math.max(0, version[what] - this.provisionedOf(key));
    }
    return use;
  }

  #shareLimit({ accountId, functionKey }: Counted): number {
    const own = this.#asked.get(functionIdIn(functionKey))?.settings;
    if (own?.reserved !== undefined) return Math.max(0, own.reserved - sumOf(own));
    let left = this.#accountMax;
    for (const { accountId: of, settings } of this.#asked.values()) {
      if (of === accountId) left -= settings.reserved ?? sumOf(settings);
    }
    return Math.max(0, left);
  }
}

function sumOf({ provisioned }: ConcurrencySettings): number {
  return provisioned.reduce((sum, { count }) => sum + count, 0);
}
