import type { Grant, Room } from "../../model/grant.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId } from "../../model/ids.ts";
import type { Shape, SubPool } from "../../model/instance.ts";
import type { Lease } from "../../model/invocation.ts";
import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";
import type { ContainerState, InstanceState } from "../../model/snapshot.ts";
import { Backoff } from "../backoff.ts";
import type { Terms } from "../market/account-terms.ts";
import type { OfferState } from "../market/market.ts";
import type { Settings } from "../settings.ts";

/*
 * A container as the core sees it.
 *
 *     creating ──▶ blank ──▶ running ⇄ idle ◀── prewarming ◀── (blank)
 *         │          │          │       │           │
 *         └──────────┴── leaving ◀──────┴───────────┘ ──▶ (forgotten at ContainerGone)
 *
 * `creating`: asked for, not yet there. `blank`: its runtime has started, it is nobody's. `prewarming`: it loads a
 * function that nobody has called. `running`: holds a lease. `idle`: holds a function and nothing runs. `leaving`: told to
 * go, or known to be dying; its memory counts until the agent says that it is gone.
 */

/** What of one function there is. A container that once ran it or was idle with it counts here for as long as it does either. */
export type FunctionUse = {
  running: number;
  /** Those that are held ready behind the others, so that they are used first. */
  readonly idle: Container[];
  heldIdle: number;
};

/** What counts on containers, and is told of their end. */
export type Holder = {
  /** It is about to go, or needed no more. */
  release(container: Container): void;
  /** It was to load its function, and has. */
  loaded(): void;
  /** It ended without being told to. */
  ended(container: Container, nowMs: number): void;
};

/** What lists instances by what they have to give, and is told when that changes. */
export type Listing = {
  /** All that it lists. */
  readonly all: ReadonlySet<Instance>;
  /** @param runtime of containers that are blank or being created; undefined: only others changed. */
  counted(instance: Instance, runtime: RuntimeName | undefined): void;
  measured(instance: Instance): void;
  leave(instance: Instance): void;
};

export class Container {
  readonly id: ContainerId;
  readonly instance: Instance;
  readonly runtime: RuntimeName;
  state: ContainerState = "creating";
  /** Set once, when it stops being blank. */
  functionKey: FunctionKey | undefined;
  /** What it is counted with. */
  memoryMiB: number;
  /** What it may use: the same, or more where the instance is packed by what is really used. */
  limitMiB: number;
  /** The limit with which its last execution began; one that was rescued has more since. */
  startLimitMiB: number;
  /** What it got when it became a function's; undefined: it is blank, or its agent could not tell. */
  grant: Grant | undefined;
  /** What it may need at its most, beyond what it is counted with. */
  swingMiB = 0;
  /** Exactly while running. */
  lease: Lease | undefined;
  /** Its function was changed or deleted while it ran: it is not kept. */
  isRetired = false;
  /** When it entered its state. */
  sinceMs: number;
  /** See `Inventory`, whose own it is. */
  use: FunctionUse | undefined;
  /** While idle: when it leaves unless history says otherwise then; undefined: nobody has asked yet. */
  keepUntilMs: number | undefined;
  /** Who counts on it; undefined: nobody, it goes when it is not worth its memory. */
  holder: Holder | undefined;
  /** It was loaded ahead of a call, so that its function knows of no cold start. */
  isInitializedAhead = false;
  /** It was loaded ahead of a call and has not served any. */
  isUnproven = false;
  /** Scratch of `Supply`: the pass in which it was last promised, blank as it is. */
  promisedPass = 0;

  constructor(id: ContainerId, instance: Instance, runtime: RuntimeName, memoryMiB: number, nowMs: number) {
    this.id = id;
    this.instance = instance;
    this.runtime = runtime;
    this.memoryMiB = memoryMiB;
    this.limitMiB = memoryMiB;
    this.startLimitMiB = memoryMiB;
    this.sinceMs = nowMs;
  }
}

/*
 * Where an instance is. It only ever moves to the right, so it can never serve a second account:
 *
 *     launching ──▶ warming ──▶ active ──▶ draining ──▶ (forgotten at InstanceLost)
 *
 * `warming`: booted, nobody's, in its sub-pool. `active`: assigned to an account, busy or not.
 * `draining`: told to end, or about to be taken away: takes nothing; its memory counts until it is gone.
 */

type PerRuntime<T> = { [runtime in RuntimeName]: T };

/** Something of each runtime. */
export const perRuntime = <T>(make: () => T): PerRuntime<T> =>
  Object.fromEntries(RUNTIMES.map((runtime) => [runtime, make()])) as PerRuntime<T>;

/** An instance with the ledger of its memory. All changes of containers go through here. */
export class Instance {
  readonly id: InstanceId;
  readonly subPool: SubPool;
  /** Where it comes from; its price, zone and demand are this offer's. */
  readonly source: OfferState;
  readonly shape: Shape;
  readonly containers = new Map<ContainerId, Container>();
  place: InstanceState = "launching";
  /** Launched for this account's own: it is assigned the moment it joins. */
  reservedFor: AccountId | undefined;
  /** It may be taken away soon: it gets no new containers, and idle ones serve only when there are no others. */
  isAtRisk = false;
  /** When it will be taken away, once that is known. */
  endsAtMs: number | undefined;
  /** TerminateInstance was ordered. */
  isEnding = false;
  /** Why it drains; said when it is ended. */
  endReason = "";
  /** Since when its account's constraints fail for it. */
  unsatisfiedSinceMs: number | undefined;
  /** Set once, by the step from warming to active. */
  accountId: AccountId | undefined;
  /** When it was launched, or adopted. */
  readonly bornMs: number;
  /** When it entered its place. */
  sinceMs: number;
  /** When the last execution on it ended; the order in which idle instances are given up. */
  lastUsedMs: number;
  freeMemoryMiB: number;
  /** The largest swing of its containers: room that is kept free, so that one at a time may be at its most. */
  swingMiB = 0;
  /** Its containers really use nearly all its memory: it takes no new ones. */
  isPressed = false;
  /** Memory of leaving containers: not free yet, but soon. */
  leavingMemoryMiB = 0;
  runningCount = 0;
  prewarmingCount = 0;
  idleCount = 0;
  blankCount = 0;
  /** Containers that are held ready, in whatever state. */
  heldCount = 0;
  readonly creatingCount = perRuntime(() => 0);
  /** Last in, first out: the youngest blank has the warmest caches. */
  readonly blanks = perRuntime<Container[]>(() => []);
  /** Runtimes its account has started here, or wants; an active instance keeps blanks of these only. */
  readonly usedRuntimes = new Set<RuntimeName>();
  /** Where it is listed by what it has to give; undefined: it is of use to nobody now. */
  listing: Listing | undefined;
  /** See `Openings`, whose own it is. */
  level = -1;
  /** Of container starts. */
  readonly creations: Backoff;
  /** Scratch of `Supply`: memory promised to waiting invocations in the pass of this number. */
  plannedMemoryMiB = 0;
  plannedSwingMiB = 0;
  isPromised = false;
  readonly plannedCreating = perRuntime(() => 0);
  plannedPass = 0;

  constructor(id: InstanceId, source: OfferState, subPool: SubPool, shape: Shape, settings: Settings, nowMs: number) {
    this.creations = new Backoff(settings.createBackoffMs);
    this.id = id;
    this.subPool = subPool;
    this.source = source;
    this.shape = shape;
    this.freeMemoryMiB = shape.memoryMiB;
    this.bornMs = nowMs;
    this.sinceMs = nowMs;
    this.lastUsedMs = nowMs;
  }

  moveTo(place: InstanceState, nowMs: number): void {
    this.place = place;
    this.sinceMs = nowMs;
  }

  /** What constraints are checked against. */
  termsAt(nowMs: number): Terms {
    const { subPool, source, endsAtMs } = this;
    const remainingMs = endsAtMs === undefined ? (source.offer?.noticeMs ?? 0) : Math.max(0, endsAtMs - nowMs);
    return { subPool, offer: source.offer, remainingMs };
  }

  /** Adds a container in any state; its memory is taken. */
  add(container: Container): void {
    this.containers.set(container.id, container);
    this.freeMemoryMiB -= container.memoryMiB;
    this.swingMiB = Math.max(this.swingMiB, container.swingMiB);
    this.#count(container, 1);
    this.#told(container, container.state);
    this.listing?.measured(this);
  }

  /** Forgets a container and frees its memory. */
  remove(container: Container): void {
    container.holder?.release(container);
    this.containers.delete(container.id);
    this.freeMemoryMiB += container.memoryMiB;
    this.#count(container, -1);
    this.#told(container, container.state);
    this.listing?.measured(this);
    if (container.swingMiB > 0 && container.swingMiB === this.swingMiB) this.swingMiB = this.#largestSwing();
  }

  /** Whether it may get new containers at all. */
  get takesContainers(): boolean {
    return !this.isAtRisk && !this.isPressed;
  }

  /** Memory that new containers may reserve. @param swingMiB of the one that is meant. */
  roomMiB(swingMiB: number): number {
    return this.freeMemoryMiB - Math.max(this.swingMiB, swingMiB);
  }

  /** The only place where a container changes its state. */
  enter(container: Container, state: ContainerState, nowMs: number): void {
    if (container.holder !== undefined && state === "leaving") container.holder.release(container);
    const before = container.state;
    this.#count(container, -1);
    container.state = state;
    container.sinceMs = nowMs;
    this.#count(container, 1);
    this.#told(container, before);
    // In all other states it takes as much as before: a warm call asks for nothing.
    if (state === "leaving" || before === "leaving") this.listing?.measured(this);
  }

  /** A blank container is about to become a function's. */
  grant(container: Container, grant: Grant): void {
    this.resize(container, grant.reservedMiB);
    container.grant = grant;
    container.limitMiB = grant.memoryMiB;
    container.swingMiB = swingOf(grant);
    this.swingMiB = Math.max(this.swingMiB, container.swingMiB);
  }

  /** What a container is counted with grows or shrinks. */
  resize(container: Container, memoryMiB: number): void {
    this.#count(container, -1);
    this.freeMemoryMiB += container.memoryMiB - memoryMiB;
    container.memoryMiB = memoryMiB;
    this.#count(container, 1);
    this.listing?.measured(this);
  }

  creatingTotal(): number {
    let total = 0;
    for (const runtime of RUNTIMES) total += this.creatingCount[runtime];
    return total;
  }

  /** Passes on that a container came, went or left this state for another. */
  #told({ state, runtime }: Container, before: ContainerState): void {
    if (this.listing === undefined) return;
    const isOfRuntime = isUnused(state) || isUnused(before);
    this.listing.counted(this, isOfRuntime ? runtime : undefined);
  }

  #largestSwing(): number {
    let largest = 0;
    for (const { swingMiB } of this.containers.values()) largest = Math.max(largest, swingMiB);
    return largest;
  }

  #count(container: Container, step: 1 | -1): void {
    switch (container.state) {
      case "creating":
        this.creatingCount[container.runtime] += step;
        return;
      case "blank": {
        this.blankCount += step;
        const blanks = this.blanks[container.runtime];
        if (step === 1) blanks.push(container);
        else blanks.splice(blanks.lastIndexOf(container), 1);
        return;
      }
      case "running":
        this.runningCount += step;
        this.source.runningMiB += step * container.memoryMiB;
        return;
      case "idle":
        this.idleCount += step;
        return;
      case "prewarming":
        this.prewarmingCount += step;
        return;
      case "leaving":
        this.leavingMemoryMiB += step * container.memoryMiB;
    }
  }
}

function isUnused(state: ContainerState): boolean {
  return state === "blank" || state === "creating";
}

/** What a container may need at its most, beyond what it is counted with. */
export function swingOf({ needMiB, reservedMiB }: Pick<Room, "needMiB" | "reservedMiB">): number {
  return Math.max(0, needMiB - reservedMiB);
}
