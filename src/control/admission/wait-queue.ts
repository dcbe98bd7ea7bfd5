import type { WaitCause } from "../../model/capacity.ts";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";

/**
 * How urgent a waiting invocation is. `overdue`: its latest start has come. `due`: it has no deadline, so it is due at once.
 * `early`: it could wait longer, and may run because the time is good.
 */
export type Urgency = "overdue" | "due" | "early";

/** One that waits for capacity. */
export type Waiting = {
  readonly invocation: Invocation;
  /** When it arrived. */
  readonly sinceMs: number;
  /** When it began to wait for capacity; later than `sinceMs` when it was held for a better time first. */
  readonly queuedMs: number;
  /** Latest start; Infinity without a deadline. */
  readonly startByMs: number;
  readonly bidUsdPerHour: number;
  urgency: Urgency;
  /** What it waited for first. */
  waitsFor: readonly WaitCause[];
  /** Order of arrival. */
  readonly seq: number;
};

const RANKS: { readonly [urgency in Urgency]: number } = { overdue: 0, due: 1, early: 2 };

/** Earliest slack first, then the higher bid, then arrival; see docs/design/0007-capacity.md for why `due` goes before `early`. */
function isBefore(a: Waiting, b: Waiting): boolean {
  if (a.urgency !== b.urgency) return RANKS[a.urgency] < RANKS[b.urgency];
  if (a.startByMs !== b.startByMs) return a.startByMs < b.startByMs;
  if (a.bidUsdPerHour !== b.bidUsdPerHour) return a.bidUsdPerHour > b.bidUsdPerHour;
  return a.seq < b.seq;
}

/** Those that wait for one function, in order. Taken and removed ones leave a hole; `#head` moves instead of the array. */
export class Line {
  readonly functionKey: FunctionKey;
  readonly accountId: AccountId;
  #entries: (Waiting | undefined)[] = [];
  #head = 0;
  length = 0;

  constructor({ functionKey, accountId }: Invocation) {
    this.functionKey = functionKey;
    this.accountId = accountId;
  }

  /** O(1) for those without a deadline, which come in their order. */
  push(entry: Waiting): void {
    let at = this.#entries.length;
    for (; at > this.#head; at--) {
      const before = this.#entries[at - 1];
      if (before !== undefined && !isBefore(entry, before)) break;
    }
    if (at === this.#entries.length) this.#entries.push(entry);
    else this.#entries.splice(at, 0, entry);
    this.length++;
  }

  head(): Waiting | undefined {
    while (this.#head < this.#entries.length && this.#entries[this.#head] === undefined) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return this.#entries[this.#head];
  }

  remove(entry: Waiting): void {
    const index = this.#entries[this.#head] === entry ? this.#head : this.#entries.indexOf(entry, this.#head);
    if (index < 0) return;
    this.#entries[index] = undefined;
    this.length--;
  }

  *entries(): IterableIterator<Waiting> {
    for (let at = this.#head; at < this.#entries.length; at++) {
      const entry = this.#entries[at];
      if (entry !== undefined) yield entry;
    }
  }
}

/**
 * Invocations that wait for capacity, in one line per function. Entries of a line want the same thing, so the first one that
 * cannot be placed speaks for all behind it; a line that cannot move holds up no other.
 */
export class WaitQueue {
  readonly #lines = new Map<FunctionKey, Line>();
  readonly #ofAccount = new Map<AccountId, Set<Line>>();
  /** In order of arrival. */
  readonly #byId = new Map<InvocationId, Waiting>();
  #seq = 0;

  get length(): number {
    return this.#byId.size;
  }

  /** Invocations of the account that wait. */
  lengthOfAccount(accountId: AccountId): number {
    let length = 0;
    for (const line of this.linesOf(accountId)) length += line.length;
    return length;
  }

  push(invocation: Invocation, wish: Omit<Waiting, "invocation" | "waitsFor" | "seq">): Waiting {
    const entry = { ...wish, invocation, waitsFor: [], seq: this.#seq++ };
    this.#byId.set(invocation.id, entry);
    this.#joinLine(entry);
    return entry;
  }

  lines(): Iterable<Line> {
    return this.#lines.values();
  }

  line(functionKey: FunctionKey): Line | undefined {
    return this.#lines.get(functionKey);
  }

  linesOf(accountId: AccountId): ReadonlySet<Line> {
    return this.#ofAccount.get(accountId) ?? NO_LINES;
  }

  /** Accounts of which something waits. */
  accountIds(): Iterable<AccountId> {
    return this.#ofAccount.keys();
  }

  lengthOf(functionKey: FunctionKey): number {
    return this.#lines.get(functionKey)?.length ?? 0;
  }

  get(id: InvocationId): Waiting | undefined {
    return this.#byId.get(id);
  }

  /** All, in order of arrival. */
  entries(): Iterable<Waiting> {
    return this.#byId.values();
  }

  /** @returns the invocation if it was waiting. */
  remove(id: InvocationId): Waiting | undefined {
    const entry = this.#byId.get(id);
    if (entry === undefined) return undefined;
    this.#byId.delete(id);
    this.#leaveLine(entry);
    return entry;
  }

  /** Its latest start has come: it goes before those that are merely due. */
  makeOverdue(id: InvocationId): void {
    const entry = this.#byId.get(id);
    if (entry === undefined || entry.urgency === "overdue") return;
    this.#leaveLine(entry);
    entry.urgency = "overdue";
    this.#joinLine(entry);
  }

  oldestSinceMs(): number | undefined {
    for (const entry of this.#byId.values()) return entry.sinceMs;
    return undefined;
  }

  #joinLine(entry: Waiting): void {
    const { functionKey, accountId } = entry.invocation;
    let line = this.#lines.get(functionKey);
    if (line === undefined) {
      line = new Line(entry.invocation);
      this.#lines.set(functionKey, line);
      const lines = this.#ofAccount.get(accountId);
      if (lines === undefined) this.#ofAccount.set(accountId, new Set([line]));
      else lines.add(line);
    }
    line.push(entry);
  }

  #leaveLine(entry: Waiting): void {
    const { functionKey, accountId } = entry.invocation;
    const line = this.#lines.get(functionKey);
    line?.remove(entry);
    if (line === undefined || line.length > 0) return;
    this.#lines.delete(functionKey);
    const lines = this.#ofAccount.get(accountId);
    lines?.delete(line);
    if (lines?.size === 0) this.#ofAccount.delete(accountId);
  }
}

const NO_LINES: ReadonlySet<Line> = new Set();

/** The lines by their heads, best first; at most `count` of them, found in one pass when there are more. */
export function bestLines(lines: Iterable<Line>, count: number): Line[] {
  const chosen: Line[] = [];
  for (const line of lines) {
    chosen.push(line);
    // Sorting now and then keeps the array short without a comparison with each line that is in it.
    if (chosen.length >= 2 * count + 16) chosen.sort(byHead).length = count;
  }
  chosen.sort(byHead);
  if (chosen.length > count) chosen.length = count;
  return chosen;
}

function byHead(a: Line, b: Line): number {
  const headA = a.head();
  const headB = b.head();
  if (headA === undefined || headB === undefined) return headA === headB ? 0 : headA === undefined ? 1 : -1;
  return isBefore(headA, headB) ? -1 : 1;
}
