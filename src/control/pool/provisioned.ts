import type { ProvisionedState, ProvisionedVersion } from "../../model/concurrency.ts";
import { functionIdIn, functionIdOf } from "../../model/function-id.ts";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import { DEFAULT_TERMS } from "../market/account-terms.ts";
import type { OfferState } from "../market/market.ts";
import { placeBlank, type Want } from "../placement/place.ts";
import type { Settings } from "../settings.ts";
import type { Grants } from "../sizing/grants.ts";
import type { Turn } from "../turn.ts";
import type { Wakes } from "../wakes.ts";
import { Holding } from "./holding.ts";
import { mayHold } from "./holdings.ts";
import type { Container, Instance } from "./instance.ts";
import type { Pools } from "./pools.ts";

export type ProvisionedParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly pools: Pools;
  readonly wakes: Wakes;
  readonly grants: Grants;
};

/**
 * Holds as many containers of function versions ready as is asked for, on fixed capacity, whatever the account's class: loaded
 * ahead of calls, left alone by keep-alive and eviction, made anew when one ends. It takes blank containers that nobody waits
 * for; what room is missing, supply brings about (`demands`).
 */
export class Provisioned {
  readonly #parts: ProvisionedParts;
  readonly #short = new Set<Holding>();
  #nextMs = Number.POSITIVE_INFINITY;
  #isDirty = false;

  constructor(parts: ProvisionedParts) {
    this.#parts = parts;
  }

  /** Whether something is missing and there is a reason to look for it now. */
  get isToFill(): boolean {
    return this.#isDirty && this.#short.size > 0;
  }

  /** When a pause after a failure ends; Infinity: there is none. */
  get nextMs(): number {
    return this.#nextMs;
  }

  configure(accountId: AccountId, functionName: string, versions: readonly ProvisionedVersion[]): void {
    const { holdings } = this.#parts.pools;
    const functionId = functionIdOf(accountId, functionName);
    const keys = new Set(versions.map(({ functionKey }) => functionKey));
    for (const [key] of [...holdings.all()]) if (functionIdIn(key) === functionId && !keys.has(key)) this.#drop(key);
    for (const version of versions) this.#configureVersion(accountId, version);
  }

  /** The version is gone. */
  retired(functionKey: FunctionKey): void {
    this.#drop(functionKey);
  }

  /** Something happened that may let it fill: it is looked at when the event has been handled. */
  touch(): void {
    if (this.#short.size === 0) return;
    this.#isDirty = true;
    this.#parts.wakes.supply = true;
  }

  timePassed(): void {
    if (this.#parts.turn.nowMs < this.#nextMs) return;
    this.#nextMs = Number.POSITIVE_INFINITY;
    this.touch();
  }

  /** Takes what is there: containers that are loaded already, then blank ones. */
  fill(): void {
    this.#isDirty = false;
    const { turn } = this.#parts;
    for (const holding of this.#short) this.#claim(holding);
    // A container that takes less than the blank one it was leaves room beside it, which an earlier one may have lacked.
    while (this.#beginSome()) {}
    for (const holding of [...this.#short]) {
      if (holding.missing === 0) this.#suffices(holding);
      else if (!holding.attempts.allows(turn.nowMs)) {
        this.#nextMs = Math.min(this.#nextMs, holding.attempts.notBeforeMs);
      }
    }
  }

  /** @returns whether something was begun. */
  #beginSome(): boolean {
    let isAny = false;
    for (const holding of this.#short) {
      for (let left = holding.mayBegin(this.#parts.turn.nowMs); left > 0 && this.#begin(holding); left--) isAny = true;
    }
    return isAny;
  }

  /** What is missing and may be begun now, for supply. */
  demands(): { readonly want: Want; readonly length: number }[] {
    const demands: { want: Want; length: number }[] = [];
    for (const holding of this.#short) {
      const length = holding.mayBegin(this.#parts.turn.nowMs);
      if (length > 0) demands.push({ want: this.#wantOf(holding), length });
    }
    return demands;
  }

  /** Whether memory of an account's instance is wanted for what is missing: not of one that is too small for it. */
  wantsRoomOn({ accountId, subPool, shape }: Instance): boolean {
    if (this.#short.size === 0 || subPool !== "fixed") return false;
    for (const holding of this.#short) {
      if (holding.accountId !== accountId || !holding.wantsRoom(this.#parts.turn.nowMs)) continue;
      if (this.#parts.grants.roomOf(holding.wanted).memoryMiB <= shape.memoryMiB) return true;
    }
    return false;
  }

  /** Whether something is missing for which the offer has room as soon as what drains is gone: that room is not refilled. */
  waitsForRoomOf(source: OfferState): boolean {
    if (this.#short.size === 0 || source.terms.subPool !== "fixed") return false;
    const { pools, grants, turn } = this.#parts;
    for (const holding of this.#short) {
      if (!holding.wantsRoom(turn.nowMs)) continue;
      const shape = source.shapeFor(grants.roomOf(holding.wanted).memoryMiB);
      if (shape === undefined || source.hasRoomFor(shape)) continue;
      if (pools.inventory.comingMiB(source) >= shape.memoryMiB) return true;
    }
    return false;
  }

  stateOf(functionKey: FunctionKey): ProvisionedState | undefined {
    return this.#parts.pools.holdings.get(functionKey)?.state(this.#parts.turn.nowMs);
  }

  *states(): IterableIterator<readonly [FunctionKey, ProvisionedState]> {
    const { pools, turn } = this.#parts;
    for (const [functionKey, holding] of pools.holdings.all()) yield [functionKey, holding.state(turn.nowMs)];
  }

  /** For the audit. @returns something that is missing and could be had at once. */
  overlooked(): string | undefined {
    const { pools, turn } = this.#parts;
    for (const holding of this.#short) {
      if (holding.mayBegin(turn.nowMs) === 0) continue;
      const blank = placeBlank(pools.inventory, this.#wantOf(holding), turn);
      if (blank !== undefined) return `${blank.id} could be held ready for ${holding.wanted.functionKey}`;
    }
    return undefined;
  }

  #configureVersion(accountId: AccountId, { count, ...version }: ProvisionedVersion): void {
    const { pools, settings } = this.#parts;
    const { functionKey } = version;
    const known = pools.holdings.get(functionKey);
    if (known !== undefined) {
      known.count = count;
      this.#releaseSurplus(known);
      return known.missing > 0 ? this.#isShort(known) : this.#suffices(known);
    }
    const wanted = { ...version, id: "" as InvocationId, accountId, mode: "synchronous" } as const;
    const holding = new Holding(wanted, count, settings.createBackoffMs, (each) => this.#isShort(each));
    pools.holdings.add(holding);
    pools.runtimeWanted(wanted);
    this.#isShort(holding);
  }

  #isShort(holding: Holding): void {
    this.#short.add(holding);
    holding.shortSinceMs ??= this.#parts.turn.nowMs;
    this.touch();
  }

  #suffices(holding: Holding): void {
    this.#short.delete(holding);
    holding.shortSinceMs = undefined;
  }

  /** Nothing is held for it any more; what is there stays for as long as it is worth its memory. */
  #drop(functionKey: FunctionKey): void {
    const { pools } = this.#parts;
    const holding = pools.holdings.get(functionKey);
    if (holding === undefined) return;
    holding.count = 0;
    this.#releaseSurplus(holding);
    this.#suffices(holding);
    pools.holdings.remove(functionKey);
  }

  /** Those that are least ready first. */
  #releaseSurplus(holding: Holding): void {
    const ranks: { readonly [state: string]: number } = { prewarming: 0, idle: 1, running: 2 };
    const rank = ({ state }: Container) => ranks[state] ?? 0;
    const byRank = [...holding.containers].sort((a, b) => rank(a) - rank(b));
    for (const container of byRank.slice(0, Math.max(0, byRank.length - holding.count))) {
      this.#parts.pools.holdings.letGo(container);
    }
  }

  /** Containers of the version that were loaded ahead of calls: under an earlier server, or before it was asked for. */
  #claim(holding: Holding): void {
    const { pools } = this.#parts;
    for (const container of [...pools.inventory.idleOf(holding.wanted.functionKey)]) {
      if (holding.missing === 0) return;
      if (mayHold(container)) pools.holdings.hold(holding, container);
    }
  }

  #begin(holding: Holding): boolean {
    const { pools, turn } = this.#parts;
    const container = placeBlank(pools.inventory, this.#wantOf(holding), turn);
    if (container === undefined) return false;
    const reason = `${holding.containers.size} of ${holding.count} containers are held ready for its function`;
    pools.prewarm(container, holding.wanted, reason);
    holding.take(container);
    return true;
  }

  #wantOf({ wanted }: Holding): Want {
    const room = this.#parts.grants.roomOf(wanted);
    return { invocation: wanted, terms: DEFAULT_TERMS, withFixed: true, room, isProvisioned: true };
  }
}
