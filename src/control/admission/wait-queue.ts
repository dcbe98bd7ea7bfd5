import type { WaitCause } from "../../model/capacity.ts";
import type { Room } from "../../model/grant.ts";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { RuntimeName } from "../../model/runtime.ts";
import type { VersionTally } from "./version-tally.ts";

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
  /** The same for all of an account, so within a line only time orders. */
  bidUsdPerHour: number;
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

/** What a line that is not there yet begins with. */
export type LineFacts = Pick<Line, "room" | "tally">;

/** Those that wait for one function, in order. Taken and removed ones leave a hole; `#head` moves instead of the array. */
export class Line {
  readonly functionKey: FunctionKey;
  readonly accountId: AccountId;
  readonly runtime: RuntimeName;
  /** What a new container of the function takes, as of its last change. */
  room: Room;
  /** Of the function version: whoever waits was admitted, so it is there for as long as the line is. */
  readonly tally: VersionTally;
  group: Group;
  #entries: (Waiting | undefined)[] = [];
  #head = 0;
  length = 0;

  constructor({ functionKey, accountId, runtime }: Invocation, { room, tally }: LineFacts, group: Group) {
    this.functionKey = functionKey;
    this.accountId = accountId;
    this.runtime = runtime;
    this.room = room;
    this.tally = tally;
    this.group = group;
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
 * The lines of one account that want containers of one runtime and of the same room. For a blank container all of them are alike: when one
 * cannot have it, none can.
 */
export class Group {
  readonly accountId: AccountId;
  /** The best head first. All lines are of one account, so a changed bid changes nothing in their order. */
  readonly #lines: Line[] = [];
  /** What its lines wait for, as said at `causesMs`; those that come within the same second are told the same. */
  causes: readonly WaitCause[] = [];
  causesMs = Number.NEGATIVE_INFINITY;

  constructor(accountId: AccountId) {
    this.accountId = accountId;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Of those whose functions may run one more. */
  best(): Line | undefined {
    return this.#lines.find(({ tally }) => tally.mayRun);
  }

  /** The line is new, or has another head than before. */
  place(line: Line): void {
    this.remove(line);
    let [from, to] = [0, this.#lines.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (byHead(this.#lines[middle] as Line, line) < 0) from = middle + 1;
      else to = middle;
    }
    this.#lines.splice(from, 0, line);
  }

  remove(line: Line): void {
    const index = this.#lines.indexOf(line);
    if (index >= 0) this.#lines.splice(index, 1);
  }

  get length(): number {
    let length = 0;
    for (const line of this.#lines) length += line.length;
    return length;
  }
}

/**
 * Invocations that wait for capacity, in one line per function, the lines in groups. Entries of a line want the same thing, so
 * the first one that cannot be placed speaks for all behind it; a line that cannot move holds up no other.
 */
export class WaitQueue {
  readonly #lines = new Map<FunctionKey, Line>();
  readonly #groups = new Map<AccountId, Map<string, Group>>();
  /** In order of arrival. */
  readonly #byId = new Map<InvocationId, Waiting>();
  #seq = 0;

  get length(): number {
    return this.#byId.size;
  }

  push(invocation: Invocation, facts: LineFacts, wish: Omit<Waiting, "invocation" | "waitsFor" | "seq">): Waiting {
    const entry = { ...wish, invocation, waitsFor: [], seq: this.#seq++ };
    this.#byId.set(invocation.id, entry);
    this.#joinLine(entry, facts);
    return entry;
  }

  /** New containers of the function take other room than before. */
  resize(line: Line, room: Room): void {
    if (line.room === room) return;
    this.#leaveGroup(line);
    line.room = room;
    line.group = this.#groupOf(line);
    line.group.place(line);
  }

  lines(): Iterable<Line> {
    return this.#lines.values();
  }

  line(functionKey: FunctionKey): Line | undefined {
    return this.#lines.get(functionKey);
  }

  groupsOf(accountId: AccountId): Iterable<Group> {
    return this.#groups.get(accountId)?.values() ?? [];
  }

  isWaiting(accountId: AccountId): boolean {
    return this.#groups.has(accountId);
  }

  /** Of all accounts. */
  *groups(): IterableIterator<Group> {
    for (const groups of this.#groups.values()) yield* groups.values();
  }

  /** Accounts of which something waits. */
  accountIds(): Iterable<AccountId> {
    return this.#groups.keys();
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
    const line = this.#lines.get(entry.invocation.functionKey);
    if (line === undefined) return;
    this.#leaveLine(entry);
    entry.urgency = "overdue";
    this.#joinLine(entry, line);
  }

  oldestSinceMs(): number | undefined {
    for (const entry of this.#byId.values()) return entry.sinceMs;
    return undefined;
  }

  #joinLine(entry: Waiting, facts: LineFacts): void {
    const { functionKey, accountId, runtime } = entry.invocation;
    let line = this.#lines.get(functionKey);
    if (line === undefined) {
      line = new Line(entry.invocation, facts, this.#groupOf({ accountId, runtime, room: facts.room }));
      this.#lines.set(functionKey, line);
    }
    line.push(entry);
    if (line.head() === entry) line.group.place(line);
  }

  #groupOf({ accountId, runtime, room }: Pick<Line, "accountId" | "runtime" | "room">): Group {
    let groups = this.#groups.get(accountId);
    if (groups === undefined) {
      groups = new Map();
      this.#groups.set(accountId, groups);
    }
    const key = groupKey(runtime, room);
    let group = groups.get(key);
    if (group === undefined) {
      group = new Group(accountId);
      groups.set(key, group);
    }
    return group;
  }

  #leaveLine(entry: Waiting): void {
    const { functionKey } = entry.invocation;
    const line = this.#lines.get(functionKey);
    if (line === undefined) return;
    const wasHead = line.head() === entry;
    line.remove(entry);
    if (line.length > 0) {
      if (wasHead) line.group.place(line);
      return;
    }
    this.#lines.delete(functionKey);
    this.#leaveGroup(line);
  }

  #leaveGroup(line: Line): void {
    const { accountId, runtime, room, group } = line;
    group.remove(line);
    if (group.lines.length > 0) return;
    const groups = this.#groups.get(accountId);
    groups?.delete(groupKey(runtime, room));
    if (groups?.size === 0) this.#groups.delete(accountId);
  }
}

function groupKey(runtime: RuntimeName, { memoryMiB, reservedMiB, needMiB }: Room): string {
  return `${runtime} ${memoryMiB} ${reservedMiB} ${needMiB}`;
}

/** Lines by their heads, the best first. */
export function byHead(a: Line, b: Line): number {
  const headA = a.head();
  const headB = b.head();
  if (headA === undefined || headB === undefined) return headA === headB ? 0 : headA === undefined ? 1 : -1;
  return isBefore(headA, headB) ? -1 : 1;
}
