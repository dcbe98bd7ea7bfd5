import type { WaitCause } from "../../model/capacity.ts";
import type { RejectCode } from "../../model/error-code.ts";
import { functionIdIn } from "../../model/function-id.ts";
import type { AccountId, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Market } from "../market/market.ts";
import { mayServe, place, type Want } from "../placement/place.ts";
import type { Container } from "../pool/instance.ts";
import type { Pools } from "../pool/pools.ts";
import type { Settings } from "../settings.ts";
import type { Grants } from "../sizing/grants.ts";
import type { Turn } from "../turn.ts";
import type { Wakes } from "../wakes.ts";
import type { Admission } from "./admission.ts";
import { acceptedRank, Deferral, type Held } from "./deferral.ts";
import { Durations } from "./durations.ts";
import { goodnessRank } from "./good-time.ts";
import { causesOf } from "./wait-causes.ts";
import { byHead, type Group, type Line, type Waiting, WaitQueue } from "./wait-queue.ts";

export type WaitParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly admission: Admission;
  readonly wakes: Wakes;
  readonly grants: Grants;
  /** The placement decision; the audit and the tests ask the same one. */
  onLeased(container: Container, invocation: Invocation): void;
  /** Says no to one that was admitted and has not begun. */
  refuse(invocation: Invocation, code: RejectCode): void;
};

/**
 * Everything between the admission of an invocation and its lease: placed at once, held for a better time, or waiting for
 * capacity until something that happened lets it run.
 */
export class Waits {
  readonly queue = new WaitQueue();
  readonly deferral = new Deferral();
  readonly durations: Durations;
  readonly #parts: WaitParts;
  /** Queued ones that become overdue one day. */
  readonly #early = new Set<Waiting>();
  /** Nothing changes by mere passing of time before then. */
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(parts: WaitParts) {
    this.#parts = parts;
    this.durations = new Durations(parts.settings.durationUnknownMs);
  }

  /** Waiting and held ones. */
  get length(): number {
    return this.queue.length + this.deferral.length;
  }

  /** When mere passing of time lets somebody run: a window, the end of a patience, a latest start. Infinity: never. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** An admitted invocation is placed, held or queued. That many wait already refuses only those who would have to wait, too. */
  arrived(invocation: Invocation): void {
    const { turn, settings } = this.#parts;
    const { deadlineMs, functionKey } = invocation;
    if (deadlineMs === undefined) {
      // Whoever waits for the same function was here first.
      const isFirst = this.queue.lengthOf(functionKey) === 0;
      const container = isFirst ? this.#containerFor(this.#wantOfNew(invocation)) : undefined;
      if (container === undefined && this.#isFull) return this.#parts.refuse(invocation, "QUEUE_FULL");
      if (container?.state !== "idle" && !this.#parts.admission.mayScale(invocation)) {
        return this.#parts.refuse(invocation, "SCALING_RATE_LIMIT");
      }
      if (container !== undefined) return this.#lease(container, invocation, undefined);
      return this.#enqueue(invocation, turn.nowMs, Number.POSITIVE_INFINITY, "due");
    }
    if (turn.nowMs >= deadlineMs) return this.#parts.refuse(invocation, "DEADLINE_MISSED");
    if (this.#isFull) return this.#parts.refuse(invocation, "QUEUE_FULL");
    const expectedMs = this.durations.estimateMs(functionKey) * settings.deadlineMargin;
    const held: Held = {
      invocation,
      sinceMs: turn.nowMs,
      startByMs: deadlineMs - expectedMs - settings.startReserveMs,
    };
    if (this.#isToRelease(held)) return this.#release(held);
    this.deferral.hold(held);
    this.#nextMs = Math.min(this.#nextMs, held.startByMs);
  }

  get #isFull(): boolean {
    return this.length >= this.#parts.settings.queueLengthMax;
  }

  /** @returns the invocation if it was waiting or held; it is forgotten. */
  cancel(id: InvocationId): Invocation | undefined {
    const entry = this.queue.remove(id);
    if (entry === undefined) return this.deferral.remove(id)?.invocation;
    this.#early.delete(entry);
    // Ahead is planned for the heads of lines, and this line may have a new one.
    const head = this.queue.line(entry.invocation.functionKey)?.head();
    if (head !== undefined) this.#nextMs = Math.min(this.#nextMs, this.#nextChangeMs(head));
    return entry.invocation;
  }

  find(id: InvocationId): Waiting | Held | undefined {
    return this.queue.get(id) ?? this.deferral.entries().find(({ invocation }) => invocation.id === id);
  }

  /** Takes all that wait or are held. */
  takeAll(): Invocation[] {
    const all = [...this.queue.entries(), ...this.deferral.entries()].map(({ invocation }) => invocation);
    for (const { id } of all) this.cancel(id);
    return all;
  }

  /**
   * Whether the head of a line may have fixed capacity as well at this moment; undefined: it may have nothing; its account runs as
   * many as it may, or it is too late for it. Asked of every line in each pass of the supply: nothing is allocated.
   */
  withFixedOf(line: Line): boolean | undefined {
    if (!line.tally.mayRun) return undefined;
    const head = line.head();
    return head === undefined || this.#isTooLate(head) ? undefined : this.#withFixed(head);
  }

  /** What the head of a line may have at this moment; undefined: nothing. */
  wantOf(line: Line): Want | undefined {
    const withFixed = this.withFixedOf(line);
    const invocation = line.head()?.invocation;
    if (withFixed === undefined || invocation === undefined) return undefined;
    return { invocation, terms: this.#parts.market.termsOf(invocation.accountId), withFixed, room: line.room };
  }

  /** What an invocation waits for, for people. */
  causesOf(entry: Waiting | Held): WaitCause[] {
    return causesOf(entry, this.#parts);
  }

  /** Places all whom the wakes name and that can be placed; those that wait on stay in their order. */
  drain(): void {
    const { wakes } = this.#parts;
    if (this.queue.length === 0) return;
    while (wakes.namesAny) {
      const isForAll = wakes.all;
      const accountIds = [...wakes.accountIds];
      const functionKeys = [...wakes.functionKeys];
      wakes.all = false;
      wakes.accountIds.clear();
      wakes.functionKeys.clear();
      if (this.queue.length === 0) continue;
      for (const key of functionKeys) this.#serveLine(this.queue.line(key));
      for (const accountId of accountIds) this.#serve([...this.queue.groupsOf(accountId)]);
      if (isForAll) this.#serve(this.#groupsThatMayMove());
    }
  }

  /** What time alone has changed; to be called on each event, cheap when nothing has. */
  timePassed(): void {
    const { turn, wakes } = this.#parts;
    if (turn.nowMs < this.#nextMs) return;
    for (const entry of [...this.#early]) {
      if (entry.startByMs > turn.nowMs) continue;
      this.#early.delete(entry);
      this.queue.makeOverdue(entry.invocation.id);
    }
    this.releaseHeld();
    this.#planAhead();
    wakes.everybody();
  }

  /** The host's clock was set: windows are looked at anew. */
  wallClockSet(): void {
    this.#nextMs = Number.NEGATIVE_INFINITY;
    this.timePassed();
  }

  /** The account's settings are others: whatever was planned ahead for those of it that wait is void. */
  settingsChanged(accountId: AccountId): void {
    const bidUsdPerHour = this.#bidOf(accountId);
    for (const { lines } of this.queue.groupsOf(accountId)) {
      for (const line of lines) for (const entry of line.entries()) entry.bidUsdPerHour = bidUsdPerHour;
    }
    this.wallClockSet();
  }

  /** New containers of some functions take other room than before: whoever waits for them is looked at anew. */
  sizesChanged(isMeant: (invocation: Invocation) => boolean): void {
    const { grants, wakes } = this.#parts;
    if (this.queue.length === 0) return;
    for (const line of [...this.queue.lines()]) {
      const head = line.head();
      if (head === undefined || !isMeant(head.invocation)) continue;
      this.queue.resize(line, grants.roomOf(head.invocation));
      wakes.accountIds.add(line.accountId);
      wakes.supply = true;
    }
  }

  /** Lets those held ones go for whom the time is good, or up. */
  releaseHeld(): void {
    if (this.deferral.length === 0) return;
    // How good the moment is depends on the account alone, of which there are fewer.
    const ranks = new Map<AccountId, number>();
    for (const held of this.deferral.release((each) => this.#isToRelease(each, ranks))) this.#release(held);
  }

  /** Refuses those of a function that may not run at all any more. */
  refuseAllOf(functionId: string, code: RejectCode): void {
    for (const entry of [...this.queue.entries(), ...this.deferral.entries()]) {
      const { invocation } = entry;
      if (functionIdIn(invocation.functionKey) !== functionId) continue;
      this.cancel(invocation.id);
      this.#parts.refuse(invocation, code);
    }
  }

  /** Refuses those that waited for as long as they may. */
  refuseOverdue(): void {
    for (const line of [...this.queue.lines()]) {
      for (const entry of [...this.#refusableIn(line)]) this.#refuseEntry(entry);
    }
  }

  /** Those with a deadline stand before or behind the others; of the others the first one waits longest. */
  *#refusableIn(line: Line): IterableIterator<Waiting> {
    for (const entry of line.entries()) {
      if (this.#refusalOf(entry) !== undefined) yield entry;
      else if (entry.urgency === "due") return;
    }
  }

  #refuseEntry(entry: Waiting): void {
    const code = this.#refusalOf(entry);
    if (code === undefined) return;
    this.cancel(entry.invocation.id);
    this.#parts.refuse(entry.invocation, code);
  }

  #refusalOf({ invocation, queuedMs }: Waiting): RejectCode | undefined {
    const { settings, turn, market, admission } = this.#parts;
    const { accountId, deadlineMs } = invocation;
    if (deadlineMs !== undefined) return turn.nowMs >= deadlineMs ? "DEADLINE_MISSED" : undefined;
    const terms = market.termsOf(accountId);
    if (terms.usesFixedAtOnce) {
      if (turn.nowMs - queuedMs < settings.waitMsMax) return undefined;
      if (!admission.mayRun(invocation)) return admission.limitOf(invocation);
      return this.#isLaunchFailing() ? "LAUNCH_FAILED" : "NO_CAPACITY";
    }
    const { onShortage } = terms.settings;
    const isOver = onShortage.kind === "fail" && turn.nowMs - queuedMs >= onShortage.afterMs;
    return isOver ? "NO_VARIABLE_CAPACITY" : undefined;
  }

  #isLaunchFailing(): boolean {
    for (const { terms, launches } of this.#parts.market.offers()) {
      if (terms.subPool === "fixed" && launches.failures > 0) return true;
    }
    return false;
  }

  #enqueue(invocation: Invocation, sinceMs: number, startByMs: number, urgency: Waiting["urgency"]): void {
    const { turn, wakes, grants, admission } = this.#parts;
    const bidUsdPerHour = this.#bidOf(invocation.accountId);
    const facts = { room: grants.roomOf(invocation), tally: admission.tallyOf(invocation) };
    const entry = this.queue.push(invocation, facts, {
      sinceMs,
      queuedMs: turn.nowMs,
      startByMs,
      bidUsdPerHour,
      urgency,
    });
    if (urgency === "early") this.#early.add(entry);
    const line = this.queue.line(invocation.functionKey);
    if (line?.head() === entry) wakes.functionKeys.add(invocation.functionKey);
    entry.waitsFor = line === undefined ? [] : this.#causesOfGroup(line.group, entry);
    this.#nextMs = Math.min(this.#nextMs, this.#nextChangeMs(entry));
    wakes.supply = true;
  }

  #bidOf(accountId: AccountId): number {
    const terms = this.#parts.market.termsOf(accountId);
    return terms.usesVariable ? terms.bidUsdPerHour : Number.POSITIVE_INFINITY;
  }

  #causesOfGroup(group: Group, entry: Waiting): readonly WaitCause[] {
    const { nowMs } = this.#parts.turn;
    if (nowMs - group.causesMs >= CAUSES_MS) {
      group.causes = this.causesOf(entry);
      group.causesMs = nowMs;
    }
    return group.causes;
  }

  /** @param ranks of this moment, by account; filled. */
  #isToRelease(held: Held, ranks?: Map<AccountId, number>): boolean {
    const { turn, market, settings } = this.#parts;
    if (turn.nowMs >= held.startByMs) return true;
    const { accountId } = held.invocation;
    const rank = ranks?.get(accountId) ?? goodnessRank(market, held.invocation, settings, turn);
    ranks?.set(accountId, rank);
    return rank <= acceptedRank(held, turn.nowMs);
  }

  #release({ invocation, sinceMs, startByMs }: Held): void {
    const urgency = this.#parts.turn.nowMs >= startByMs ? "overdue" : "early";
    this.#enqueue(invocation, sinceMs, startByMs, urgency);
  }

  /** Of accounts to which a warming instance, or one of their own whose terms changed, could be of use. */
  #groupsThatMayMove(): Group[] {
    const groups: Group[] = [];
    for (const accountId of this.queue.accountIds()) {
      if (this.#mayMove(accountId)) groups.push(...this.queue.groupsOf(accountId));
    }
    return groups;
  }

  #mayMove(accountId: AccountId): boolean {
    const { pools, market, turn } = this.#parts;
    const terms = market.termsOf(accountId);
    if (terms.usesVariable && pools.inventory.activeOf(accountId).size > 0) return true;
    for (const instance of pools.inventory.at("warming")) {
      const withFixed = terms.mayUseFixed;
      if (mayServe(instance, { terms, withFixed }, turn)) return true;
    }
    return false;
  }

  /** Places heads of the lines of these groups, best first, until none can be placed. */
  #serve(groups: readonly Group[]): void {
    const { inventory } = this.#parts.pools;
    for (const { accountId, lines } of groups) {
      if (inventory.openingsOf(accountId).holdsIdle) for (const line of [...lines]) this.#serveByIdle(line);
    }
    let best = groups.map((group) => group.best()).filter((line) => line !== undefined);
    while (best.length > 0) {
      const line = best.reduce((a, b) => (byHead(a, b) <= 0 ? a : b));
      const others = best.filter((each) => each !== line);
      const next = this.#placeHead(line) ? line.group.best() : this.#firstOfOtherKind(line);
      best = next === undefined ? others : [...others, next];
    }
  }

  #serveLine(line: Line | undefined): void {
    while (line !== undefined && this.#placeHead(line)) {}
  }

  /** Containers that are a function's own serve no other line of its group. */
  #serveByIdle(line: Line): void {
    while (this.#parts.pools.inventory.idleOf(line.functionKey).length > 0 && this.#placeHead(line)) {}
  }

  /** Some lines of a group may take fixed capacity by now and others not yet: one that fails does not speak for those. */
  #firstOfOtherKind(failed: Line): Line | undefined {
    const head = failed.head();
    if (head === undefined || this.#withFixed(head)) return undefined;
    for (const line of failed.group.lines) {
      const other = line.head();
      if (other !== undefined && this.#withFixed(other) && line.tally.mayRun) return line;
    }
    return undefined;
  }

  /** @returns whether the line has moved on. */
  #placeHead(line: Line): boolean {
    const head = line.head();
    if (head === undefined) return false;
    if (this.#isTooLate(head)) {
      this.#refuseEntry(head); // Never silently late.
      return true;
    }
    const container = this.#containerFor(this.wantOf(line));
    if (container === undefined) return false;
    this.#lease(container, head.invocation, head);
    return true;
  }

  #isTooLate({ invocation: { deadlineMs } }: Waiting): boolean {
    return deadlineMs !== undefined && this.#parts.turn.nowMs >= deadlineMs;
  }

  #containerFor(want: Want | undefined): Container | undefined {
    const { pools, turn } = this.#parts;
    return want === undefined ? undefined : place(pools.inventory, want, turn);
  }

  #lease(container: Container, invocation: Invocation, entry: Waiting | undefined): void {
    const { pools, turn, onLeased } = this.#parts;
    if (entry !== undefined) this.cancel(invocation.id);
    const ms = entry === undefined ? 0 : turn.nowMs - entry.sinceMs;
    const waitedFor = entry === undefined || ms === 0 ? [] : entry.waitsFor;
    pools.lease(container, invocation, { ms, for: waitedFor }, whyThere(container));
    onLeased(container, invocation);
  }

  #wantOfNew(invocation: Invocation): Want | undefined {
    const { market, admission, grants } = this.#parts;
    const { accountId } = invocation;
    if (!admission.mayRun(invocation)) return undefined;
    const terms = market.termsOf(accountId);
    return { invocation, terms, withFixed: terms.usesFixedAtOnce, room: grants.roomOf(invocation) };
  }

  /** An overdue one takes fixed capacity wherever its account allows that in the end; an early one has time for variable. */
  #withFixed({ invocation, queuedMs, urgency }: Waiting): boolean {
    const { market, turn } = this.#parts;
    const terms = market.termsOf(invocation.accountId);
    if (urgency !== "due") return urgency === "overdue" ? terms.mayUseFixed : terms.usesFixedAtOnce;
    return terms.isWidened(queuedMs, turn.nowMs);
  }

  /** When time alone may let this one run, as far as is known now. */
  #nextChangeMs({ invocation, queuedMs, startByMs, urgency }: Waiting): number {
    const { market, turn } = this.#parts;
    const terms = market.termsOf(invocation.accountId);
    const windowMs = turn.nowMs + (terms.nextWindowChangeMs(turn.wallMs) - turn.wallMs);
    const patienceMs = terms.patienceEndsMs(queuedMs);
    const startMs = urgency === "early" ? startByMs : Number.POSITIVE_INFINITY;
    return Math.min(windowMs, patienceMs > turn.nowMs ? patienceMs : Number.POSITIVE_INFINITY, startMs);
  }

  #planAhead(): void {
    this.#nextMs = this.deferral.nextStartMs ?? Number.POSITIVE_INFINITY;
    for (const { startByMs } of this.#early) this.#nextMs = Math.min(this.#nextMs, startByMs);
    for (const line of this.queue.lines()) {
      const head = line.head();
      if (head !== undefined) this.#nextMs = Math.min(this.#nextMs, this.#nextChangeMs(head));
    }
  }
}

const CAUSES_MS = 1_000;

function whyThere({ state, instance, runtime, holder }: Container): string {
  if (state === "idle" && holder !== undefined) return "a provisioned container of the function was idle";
  if (state === "idle") return "an idle container of the function was there";
  const where = instance.place === "warming" ? "a warming instance" : "an instance of the account";
  return `no container of the function was idle; a blank ${runtime} container on ${where} was taken`;
}
