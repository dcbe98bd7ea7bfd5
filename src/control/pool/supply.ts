import type { Room } from "../../model/grant.ts";
import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";
import type { Share } from "../admission/share.ts";
import type { AccountTally } from "../admission/version-tally.ts";
import { byHead, type Line, type WaitQueue } from "../admission/wait-queue.ts";
import { admittedOffers, chooseOffer, type OfferWish } from "../market/choose-offer.ts";
import type { Market, OfferState } from "../market/market.ts";
import { isBetter, mayServe, type Want } from "../placement/place.ts";
import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import { evict, type WorthOf } from "./eviction.ts";
import { type Container, type Instance, swingOf } from "./instance.ts";
import type { Openings } from "./openings.ts";
import type { Pools } from "./pools.ts";

export type SupplyParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly queue: WaitQueue;
  /** Whether the head of a line may have fixed capacity as well at this moment; undefined: it may have nothing. */
  withFixedOf(line: Line): boolean | undefined;
  /** What it wants then. */
  wantOf(line: Line): Want | undefined;
  /** undefined: the least recently used container goes first. */
  readonly worthOf: WorthOf | undefined;
};

/** What is wanted, and how often. */
type Wanted = { readonly want: Want; readonly length: number };

/** Waiting invocations that want the same and share a limit. */
class Demand implements Wanted {
  readonly want: Want;
  /** The one whose turn is first. */
  readonly line: Line;
  length = 0;
  /** Of the length, what may begin beside what its share has left. */
  #own = 0;

  constructor(want: Want, line: Line) {
    this.want = want;
    this.line = line;
  }

  add({ length, tally }: Line): void {
    this.length += length;
    this.#own += Math.min(length, tally.ownPlaces);
  }

  /** How many of them may begin beside those of their share and of their account that are about to. */
  places(begun: Begun): number {
    const { share, account } = this.line.tally;
    const ofShare = this.#own + Math.max(0, share.places - (begun.get(share) ?? 0));
    return Math.min(this.length, ofShare, Math.max(0, account.places - (begun.get(account) ?? 0)));
  }

  /** So many of them are about to begin. */
  begin(count: number, begun: Begun): void {
    const { share, account } = this.line.tally;
    begun.set(share, (begun.get(share) ?? 0) + Math.max(0, count - this.#own));
    begun.set(account, (begun.get(account) ?? 0) + count);
  }
}

/** How many are about to begin. */
type Begun = Map<AccountTally | Share, number>;

/** Waiting invocations that one pass plans for; more of them would ask for the same capacity. */
const PLANNED_MAX = 256;

/**
 * Brings about room for the invocations that wait. Each pass walks the lines in order and promises
 * every waiting invocation something that exists or is under way, the nearest first: a blank
 * container of its account's beside which memory is becoming free, one that is being created, a new
 * container on one of the account's instances, the same after evicting idle ones, a warming instance,
 * one that is being launched, a new launch, and last the idle instance of another account that has
 * been unused longest. What is promised to one is not promised to the next, so a pass asks for just
 * as much as is missing, and asking again changes nothing.
 */
export class Supply {
  readonly #parts: SupplyParts;
  #pass = 0;
  /** Instances with more to plan with than is free: a container that is promised there takes less than the blank one that it begins as. */
  readonly #eased = new Set<Instance>();

  constructor(parts: SupplyParts) {
    this.#parts = parts;
  }

  /**
   * @param launchAllowed false while instances of an earlier server may yet join.
   * @param later what is wanted besides, after all that wait.
   */
  run(launchAllowed: boolean, later: readonly Wanted[]): void {
    this.#pass++;
    this.#eased.clear();
    let planned = 0;
    const unsupplied: Want[] = [];
    const begun: Begun = new Map();
    for (const wanted of [...this.#demands(), ...later]) {
      const places = wanted instanceof Demand ? wanted.places(begun) : wanted.length;
      // All entries of a demand are alike, so the first one that gets nothing ends its turn.
      const waiting = Math.min(places, PLANNED_MAX - planned);
      const supplied = this.#supply(wanted.want, waiting, launchAllowed);
      if (supplied < waiting) unsupplied.push(wanted.want);
      if (wanted instanceof Demand) wanted.begin(supplied, begun);
      planned += supplied;
      if (planned >= PLANNED_MAX) break;
    }
    if (!launchAllowed || unsupplied.length === 0) return;
    // Only now is it known which instances are promised to nobody.
    const dispensable = this.#dispensable();
    for (const want of unsupplied) this.#takeOver(want, dispensable);
  }

  /**
   * What is wanted, and how often, of what may run; the best first: each group of lines, those that may take fixed
   * capacity by now and those that share another limit apart. In a group the former come first, so when either sort alone is more
   * than one pass plans for, the rest of its lines is not looked at.
   */
  #demands(): Demand[] {
    const { queue, withFixedOf } = this.#parts;
    const demands: Demand[] = [];
    const none: Begun = new Map();
    for (const group of queue.groups()) {
      let [widened, narrow]: [Demand | undefined, Demand | undefined] = [undefined, undefined];
      for (const line of group.lines) {
        const withFixed = withFixedOf(line);
        if (withFixed === undefined) continue;
        if (line.tally.share.reserved !== undefined) {
          // Only versions of its own function share with it: they are few.
          this.#demand(line, demands)?.add(line);
          continue;
        }
        const demand: Demand | undefined = (withFixed ? widened : narrow) ?? this.#demand(line, demands);
        demand?.add(line);
        if (withFixed) widened = demand;
        else narrow = demand;
        if (Math.max(widened?.places(none) ?? 0, narrow?.places(none) ?? 0) >= PLANNED_MAX) break;
      }
    }
    return demands.sort((a, b) => byHead(a.line, b.line));
  }

  /** undefined: the line's head may have nothing. */
  #demand(line: Line, demands: Demand[]): Demand | undefined {
    const want = this.#parts.wantOf(line);
    if (want === undefined) return undefined;
    const demand = new Demand(want, line);
    demands.push(demand);
    return demand;
  }

  /** @returns for how many of the waiting invocations, all like this one, something is under way. */
  #supply(want: Want, waiting: number, launchAllowed: boolean): number {
    let supplied = 0;
    while (supplied < waiting && this.#supplyOne(want, launchAllowed)) supplied++;
    return supplied;
  }

  #supplyOne(want: Want, launchAllowed: boolean): boolean {
    return (
      this.#onActive(want) ||
      this.#onWarming(want) ||
      this.#onLaunching(want) ||
      (launchAllowed && this.#byLaunch(want)) ||
      this.#byEviction(want)
    );
  }

  #onActive(want: Want): boolean {
    const { settings, turn, pools } = this.#parts;
    const { room } = want;
    const { runtime, accountId } = want.invocation;
    const blankMiB = pools.blankSizes.reservedMiB(runtime);
    const openings = pools.inventory.openingsOf(accountId);
    for (const instance of openings.withBlank(runtime)) {
      if (!this.#couldTake(instance, want)) continue;
      const blank = this.#blankWith(instance, runtime, room.reservedMiB - this.#plannableMiB(instance, room));
      if (blank === undefined || !mayServe(instance, want, turn)) continue;
      this.#beginPlan(instance);
      blank.promisedPass = this.#pass;
      this.#promise(instance, room, blank.memoryMiB);
      return true;
    }
    for (const instance of openings.withCreating(runtime)) {
      if (!this.#couldTake(instance, want) || !mayServe(instance, want, turn)) continue;
      this.#beginPlan(instance);
      if (instance.plannedCreating[runtime] === 0) continue;
      if (this.#plannableMiB(instance, room) < room.reservedMiB - blankMiB) continue;
      instance.plannedCreating[runtime]--;
      this.#promise(instance, room, blankMiB);
      return true;
    }
    let best: Instance | undefined;
    for (const instance of this.#withRoom(openings, Math.max(room.reservedMiB, blankMiB))) {
      if (!this.#couldTake(instance, want) || this.#missingMiB(instance, want) > 0) continue;
      if (best !== undefined && !isBetter(instance, best)) continue;
      if (mayServe(instance, want, turn)) best = instance;
    }
    if (best === undefined) return false;
    this.#beginPlan(best);
    this.#promise(best, room);
    if (canCreate(best, blankMiB, settings, turn.nowMs)) {
      pools.create(best, runtime, reasonOf(want));
      this.#plan(best, -blankMiB);
    }
    return true;
  }

  /** A warming instance without a blank of this runtime, or without room beside its blanks: it becomes the account's, and gets them. */
  #onWarming(want: Want): boolean {
    const { turn, pools } = this.#parts;
    const { room } = want;
    const { runtime, accountId } = want.invocation;
    const blankMiB = pools.blankSizes.reservedMiB(runtime);
    for (const instance of pools.inventory.at("warming")) {
      if (!this.#couldTake(instance, want) || !mayServe(instance, want, turn)) continue;
      this.#beginPlan(instance);
      if (instance.isPromised) continue;
      const plannableMiB = this.#plannableMiB(instance, room);
      if (instance.plannedCreating[runtime] > 0 && plannableMiB >= room.reservedMiB - blankMiB) {
        // Its blank is on the way; taking the instance now would not make it come sooner.
        instance.plannedCreating[runtime]--;
        this.#promise(instance, room);
        return true;
      }
      if (this.#missingMiB(instance, want) <= 0) {
        pools.assign(instance, accountId);
        return this.#onActive(want);
      }
      const unneeded = this.#unneededFor(instance, want);
      if (unneeded === undefined) continue;
      pools.assign(instance, accountId);
      for (const container of unneeded) pools.destroy(container, "its memory is needed");
      return this.#onActive(want);
    }
    return false;
  }

  #onLaunching(want: Want): boolean {
    const { room } = want;
    const { accountId } = want.invocation;
    for (const instance of this.#parts.pools.inventory.at("launching")) {
      if (instance.shape.memoryMiB < room.memoryMiB) continue;
      if (instance.reservedFor !== undefined && instance.reservedFor !== accountId) continue;
      if (!mayServe(instance, want, this.#parts.turn)) continue;
      this.#beginPlan(instance);
      if (this.#plannableMiB(instance, room) < room.reservedMiB) continue;
      this.#promise(instance, room);
      return true;
    }
    return false;
  }

  #byLaunch(want: Want): boolean {
    const { turn, market, pools } = this.#parts;
    const chosen = chooseOffer(market, wishOf(want), turn.nowMs, turn.wallMs);
    if (chosen === undefined) return false;
    const instance = pools.launch(chosen.source, chosen.shape, {
      reason: reasonOf(want),
      bidUsdPerHour: bidOf(want, chosen.source),
    });
    this.#beginPlan(instance);
    this.#promise(instance, want.room);
    return true;
  }

  #byEviction(want: Want): boolean {
    const { turn, pools } = this.#parts;
    const { accountId } = want.invocation;
    for (const instance of pools.inventory.openingsOf(accountId).evictable) {
      if (!this.#couldTake(instance, want) || !mayServe(instance, want, turn)) continue;
      this.#beginPlan(instance);
      const unneeded = this.#unneededFor(instance, want);
      if (unneeded === undefined) continue;
      for (const container of unneeded) pools.destroy(container, "its memory is needed");
      return this.#onActive(want);
    }
    return false;
  }

  /**
   * What goes from an instance to make room; a blank container that becomes the wanted one stays, and takes no room besides.
   * @returns undefined: there is no room even so.
   */
  #unneededFor(instance: Instance, want: Want): Container[] | undefined {
    const { room, invocation } = want;
    const own = instance.blanks[invocation.runtime].find((blank) => blank.promisedPass !== this.#pass);
    const missingMiB =
      own === undefined
        ? this.#missingMiB(instance, want)
        : room.reservedMiB - own.memoryMiB - this.#plannableMiB(instance, room);
    const isSpared = (blank: Container) => blank === own || blank.promisedPass === this.#pass;
    return evict(instance, isSpared, missingMiB, this.#parts.worthOf);
  }

  /**
   * Idle instances of an offer that is full give way, of other accounts or of a shape that does not fit; the launch
   * follows when they are gone.
   */
  #takeOver(want: Want, dispensable: readonly Instance[]): void {
    const { turn, market } = this.#parts;
    for (const { source, shape } of admittedOffers(market, wishOf(want), turn.wallMs)) {
      const isUsable = source.offer?.isAvailable === true && source.mayLaunch(turn.nowMs);
      if (isUsable && this.#makeRoom(source, shape.memoryMiB, dispensable)) return;
    }
  }

  /** @returns whether room for this much is there, on its way back, or asked for now. */
  #makeRoom(source: OfferState, memoryMiB: number, dispensable: readonly Instance[]): boolean {
    const { pools } = this.#parts;
    // Capacity that is already on its way back is waited for, not asked for twice.
    let comingMiB = pools.inventory.comingMiB(source);
    if (comingMiB >= memoryMiB) return true;
    // Those that have been given up for another one since are so no more.
    const victims = dispensable
      .filter((instance) => instance.source === source && this.#isDispensable(instance))
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
    const chosen: Instance[] = [];
    for (const victim of victims) {
      if (comingMiB >= memoryMiB) break;
      comingMiB += victim.shape.memoryMiB;
      chosen.push(victim);
    }
    if (comingMiB < memoryMiB) return false;
    for (const victim of chosen) pools.terminate(victim, "its capacity is needed");
    return true;
  }

  #dispensable(): readonly Instance[] {
    return [...this.#parts.pools.inventory.resting].filter((instance) => this.#isDispensable(instance));
  }

  /** Nothing runs on it, it is no account's own, it is not promised in this pass, nor making a container for somebody. */
  #isDispensable(instance: Instance): boolean {
    const { market, pools } = this.#parts;
    if (instance.place === "draining") return false;
    if (instance.runningCount > 0 || instance.prewarmingCount > 0 || instance.heldCount > 0) return false;
    if (instance.place === "active" && instance.creatingTotal() > 0) return false;
    // Another one was, or will be, launched in the place of one at risk.
    if (instance.accountId !== undefined && !instance.isAtRisk) {
      const own = market.termsOf(instance.accountId).settings.dedicatedInstances;
      if (pools.inventory.lastingCountOf(instance.accountId, own + 1) <= own) return false;
    }
    return instance.plannedPass !== this.#pass || !instance.isPromised;
  }

  /** What a container that is not there yet lacks: it is blank first, which may take more than it needs then. Zero or less: nothing. */
  #missingMiB(instance: Instance, { room, invocation }: Want): number {
    const blankMiB = this.#parts.pools.blankSizes.reservedMiB(invocation.runtime);
    return Math.max(room.reservedMiB - this.#plannableMiB(instance, room), blankMiB - this.#unplannedMiB(instance));
  }

  /** A blank one that is promised to nobody in this pass, and counted with so much at least. */
  #blankWith(instance: Instance, runtime: RuntimeName, memoryMiB: number): Container | undefined {
    if (instance.blanks[runtime].length === 0) return undefined;
    return instance.blanks[runtime].find((each) => each.memoryMiB >= memoryMiB && each.promisedPass !== this.#pass);
  }

  /** Whether it may get new containers, and is as large as this one's limit. */
  #couldTake(instance: Instance, { room }: Want): boolean {
    return instance.takesContainers && instance.shape.memoryMiB >= room.memoryMiB;
  }

  /** Memory that a container of this room could reserve on the instance: free or about to be, and promised to nobody in this pass. */
  #plannableMiB(instance: Instance, room: Room): number {
    const isPlanned = instance.plannedPass === this.#pass;
    const swingMiB = Math.max(isPlanned ? instance.plannedSwingMiB : 0, swingOf(room));
    return this.#unplannedMiB(instance) - (instance.freeMemoryMiB - instance.roomMiB(swingMiB));
  }

  /** The same of one that is blank, which needs no more than what it is counted with. */
  #unplannedMiB(instance: Instance): number {
    const plannedMiB = instance.plannedPass === this.#pass ? instance.plannedMemoryMiB : 0;
    return instance.freeMemoryMiB + instance.leavingMemoryMiB - plannedMiB;
  }

  /** Those that could have so much in this pass, and some that could not. */
  *#withRoom(openings: Openings, memoryMiB: number): IterableIterator<Instance> {
    yield* openings.withRoom(memoryMiB);
    for (const instance of this.#eased) if (openings.all.has(instance)) yield instance;
  }

  /** @param hasMiB of the room that are taken already. */
  #promise(instance: Instance, room: Room, hasMiB = 0): void {
    this.#plan(instance, room.reservedMiB - hasMiB);
    instance.plannedSwingMiB = Math.max(instance.plannedSwingMiB, swingOf(room));
    instance.isPromised = true;
  }

  #plan(instance: Instance, memoryMiB: number): void {
    instance.plannedMemoryMiB += memoryMiB;
    if (instance.plannedMemoryMiB < 0) this.#eased.add(instance);
  }

  #beginPlan(instance: Instance): void {
    if (instance.plannedPass === this.#pass) return;
    instance.plannedPass = this.#pass;
    instance.plannedMemoryMiB = 0;
    instance.plannedSwingMiB = 0;
    instance.isPromised = false;
    for (const runtime of RUNTIMES) instance.plannedCreating[runtime] = instance.creatingCount[runtime];
  }
}

function reasonOf({ invocation: { functionKey }, isProvisioned }: Want): string {
  return isProvisioned ? `containers of ${functionKey} are to be held ready` : `function ${functionKey} waits`;
}

/** An instance is launched for the limit: a container may use all of it. */
function wishOf({ terms, withFixed, room }: Want): OfferWish {
  return { terms, withFixed, memoryMiB: room.memoryMiB };
}

/** What the account would pay at most; a fixed price takes no bids. */
function bidOf({ terms }: { readonly terms: Want["terms"] }, source: OfferState): number | undefined {
  const isBid = source.terms.subPool === "variable" && terms.bidUsdPerHour !== Number.POSITIVE_INFINITY;
  return isBid ? terms.bidUsdPerHour : undefined;
}

/** Whether an instance can start one more blank container now. @param blankMiB what that is counted with. */
export function canCreate(instance: Instance, blankMiB: number, settings: Settings, nowMs: number): boolean {
  return (
    instance.freeMemoryMiB >= blankMiB &&
    instance.creations.allows(nowMs) &&
    instance.creatingTotal() < settings.creationsPerInstanceMax
  );
}
