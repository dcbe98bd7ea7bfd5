import type { ConcurrencySettings } from "../../model/concurrency.ts";
import type { RejectCode } from "../../model/error-code.ts";
import { functionIdIn, functionIdOf } from "../../model/function-id.ts";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Market } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import { ScalingRate } from "./scaling-rate.ts";
import { Share } from "./share.ts";
import { AccountTally, VersionTally } from "./version-tally.ts";

export type AdmissionParts = { readonly settings: Settings; readonly turn: Turn; readonly market: Market };

/** A function of which something is asked for. */
type Asked = {
  /** Its own; undefined: it reserves nothing. */
  readonly share: Share | undefined;
  readonly provisioned: ReadonlyMap<FunctionKey, number>;
  readonly setApart: number;
};

type Counted = Pick<Invocation, "id" | "accountId" | "functionKey">;

/**
 * Counts the admitted invocations of each account and function version, and says no at the bounds. Lambda counts an invocation
 * as concurrent from its acceptance to its end, and so does this; only those that may have to wait for variable capacity, or
 * are held for a better time, count when they run: their waiting is what the account asked for. See
 * docs/design/0020-concurrency.md.
 */
export class Admission {
  readonly #settings: Settings;
  readonly #turn: Turn;
  readonly #market: Market;
  readonly #accounts = new Map<AccountId, AccountTally>();
  readonly #versions = new Map<FunctionKey, VersionTally>();
  readonly #asked = new Map<string, Asked>();
  /** Admitted, not begun, and not counted until they do. */
  readonly #sittingOut = new Set<InvocationId>();
  readonly scaling: ScalingRate;
  /** One event asks for the same several times. */
  #latest: VersionTally | undefined;
  #admittedTotal = 0;

  constructor(parts: AdmissionParts) {
    this.#settings = parts.settings;
    this.#turn = parts.turn;
    this.#market = parts.market;
    this.scaling = new ScalingRate(parts);
  }

  /** @returns why the invocation must be refused, or undefined: it is admitted and counted. */
  admit(invocation: Invocation): RejectCode | undefined {
    const { accountId, memoryMiB, deadlineMs } = invocation;
    const terms = this.#market.termsOf(accountId);
    if (this.#market.isTooLarge(terms, memoryMiB)) return "TOO_LARGE";
    const tally = this.tallyOf(invocation);
    const maySitOut = deadlineMs !== undefined || !terms.usesFixedAtOnce;
    const refusal = maySitOut ? sitOutRefusal(invocation, tally) : refusalOf(tally);
    if (refusal !== undefined) return refusal;
    if (this.#isTooOften(tally)) {
      return tally.share.reserved === undefined ? "INVOCATION_RATE_LIMIT" : "RESERVED_INVOCATION_RATE_LIMIT";
    }
    tally.admitted++;
    this.#admittedTotal++;
    if (maySitOut) this.#sittingOut.add(invocation.id);
    else tally.count();
    return undefined;
  }

  /** Whether one more of the version may run now. */
  mayRun(invocation: Omit<Counted, "id">): boolean {
    return this.tallyOf(invocation).mayRun;
  }

  /** Why one that waits may not run now. */
  limitOf(invocation: Counted): RejectCode {
    return codeOf(this.tallyOf(invocation));
  }

  /** @returns whether the function may have a new container for this one. */
  mayScale(invocation: Counted): boolean {
    return !this.scaling.isBounded || this.scaling.take(this.tallyOf(invocation).functionId);
  }

  /** Counts an execution that an earlier server admitted. */
  adopt(invocation: Counted): void {
    const tally = this.tallyOf(invocation);
    tally.admitted++;
    this.#admittedTotal++;
    tally.count();
    tally.began();
  }

  began(invocation: Counted): void {
    const tally = this.tallyOf(invocation);
    if (this.#sittingOut.size > 0 && this.#sittingOut.delete(invocation.id)) tally.count();
    tally.began();
  }

  /** Once for every admitted invocation, at its end. */
  release(invocation: Counted, wasRunning: boolean): void {
    const tally = this.tallyOf(invocation);
    tally.admitted--;
    this.#admittedTotal--;
    if (wasRunning) tally.ended();
    else if (this.#sittingOut.delete(invocation.id)) return;
    tally.countNoMore();
  }

  get admittedTotal(): number {
    return this.#admittedTotal;
  }

  /** @param settings undefined: nothing is asked for of the function any more. */
  configure(accountId: AccountId, functionName: string, settings: ConcurrencySettings | undefined): void {
    const functionId = functionIdOf(accountId, functionName);
    const account = this.#accountOf(accountId);
    account.setAside(-(this.#asked.get(functionId)?.setApart ?? 0));
    const asked = askedOf(settings);
    account.setAside(asked.setApart);
    if (asked.setApart > 0 || asked.share !== undefined) this.#asked.set(functionId, asked);
    else this.#asked.delete(functionId);
    for (const tally of this.#versions.values()) if (tally.functionId === functionId) settle(tally, asked);
  }

  /** Forgets of what nothing is counted; at every end it would cost more than the call. */
  forgetUnused(): void {
    this.#latest = undefined;
    for (const [functionKey, tally] of this.#versions) {
      if (tally.admitted > 0) continue;
      this.#versions.delete(functionKey);
      tally.account.versions--;
    }
    for (const [accountId, account] of this.#accounts) {
      if (account.versions === 0 && account.setApart === 0) this.#accounts.delete(accountId);
    }
    this.scaling.forgetUnused();
  }

  /** For the audit. */
  tallies(): Iterable<VersionTally> {
    return this.#versions.values();
  }

  isSittingOut(id: InvocationId): boolean {
    return this.#sittingOut.has(id);
  }

  get sittingOutTotal(): number {
    return this.#sittingOut.size;
  }

  /** For as long as something of the version is admitted it is the same one. */
  tallyOf({ accountId, functionKey }: Omit<Counted, "id">): VersionTally {
    if (this.#latest?.functionKey === functionKey) return this.#latest;
    const tally = this.#versions.get(functionKey) ?? this.#newTally(accountId, functionKey);
    this.#latest = tally;
    return tally;
  }

  #isTooOften({ share, account }: VersionTally): boolean {
    const { requestsPerConcurrency } = this.#settings;
    if (requestsPerConcurrency === Number.POSITIVE_INFINITY) return false;
    const perSecondMax = Math.max(1, (share.reserved ?? account.limit) * requestsPerConcurrency);
    return !share.takeRequest(perSecondMax, this.#turn.nowMs);
  }

  #newTally(accountId: AccountId, functionKey: FunctionKey): VersionTally {
    const account = this.#accountOf(accountId);
    const tally = new VersionTally(functionKey, functionIdIn(functionKey), account);
    account.versions++;
    this.#versions.set(functionKey, tally);
    const asked = this.#asked.get(tally.functionId);
    if (asked !== undefined) settle(tally, asked);
    return tally;
  }

  #accountOf(accountId: AccountId): AccountTally {
    let account = this.#accounts.get(accountId);
    if (account === undefined) {
      account = new AccountTally(accountId, this.#settings.accountConcurrencyMax);
      this.#accounts.set(accountId, account);
    }
    return account;
  }
}

function refusalOf(tally: VersionTally): RejectCode | undefined {
  return tally.hasPlace ? undefined : codeOf(tally);
}

/**
 * Who may wait for capacity waits for his turn in the account as well; at what its own function reserves he is told at once.
 * One that is held for a better time is refused only where none will ever come.
 */
function sitOutRefusal({ deadlineMs }: Invocation, tally: VersionTally): RejectCode | undefined {
  const { reserved } = tally.share;
  if (reserved === undefined || tally.running < tally.provisioned) return undefined;
  const isFull = deadlineMs === undefined ? tally.share.running >= tally.share.limit : reserved === 0;
  return isFull ? "RESERVED_CONCURRENCY_LIMIT" : undefined;
}

/** At the account's limit, whatever its function reserves, it is the account's that is named. */
function codeOf({ share, account }: VersionTally): RejectCode {
  const isOwn = share.reserved !== undefined && account.counted < account.limit;
  return isOwn ? "RESERVED_CONCURRENCY_LIMIT" : "CONCURRENCY_LIMIT";
}

function askedOf(settings: ConcurrencySettings | undefined): Asked {
  const { reserved, provisioned = [] } = settings ?? {};
  const counts = new Map(provisioned.map(({ functionKey, count }) => [functionKey, count]));
  const sum = provisioned.reduce((all, { count }) => all + count, 0);
  if (reserved === undefined) return { share: undefined, provisioned: counts, setApart: sum };
  return { share: new Share(reserved, Math.max(0, reserved - sum)), provisioned: counts, setApart: reserved };
}

function settle(tally: VersionTally, { share, provisioned }: Asked): void {
  tally.moveTo(share ?? tally.account.share, provisioned.get(tally.functionKey) ?? 0);
}
