import type { CapacitySettings } from "../model/capacity.ts";
import type { ProvisionedState } from "../model/concurrency.ts";
import type { RejectCode } from "../model/error-code.ts";
import type { Command, Event } from "../model/event.ts";
import { functionIdOf } from "../model/function-id.ts";
import type { Room } from "../model/grant.ts";
import type { AccountId, FunctionKey, InvocationId } from "../model/ids.ts";
import type { SubPool } from "../model/instance.ts";
import type { Invocation } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { PoolsSnapshot, WaitEntry } from "../model/snapshot.ts";
import { Admission } from "./admission/admission.ts";
import { Waits } from "./admission/waits.ts";
import { audit } from "./audit.ts";
import { Warmth } from "./keepalive/warmth.ts";
import { AccountTerms } from "./market/account-terms.ts";
import { Market } from "./market/market.ts";
import type { Container } from "./pool/instance.ts";
import { Pools } from "./pool/pools.ts";
import { Provisioned } from "./pool/provisioned.ts";
import { Reclaims } from "./pool/reclaims.ts";
import { Refill } from "./pool/refill.ts";
import { Relief } from "./pool/relief.ts";
import { Supply } from "./pool/supply.ts";
import { Sweep } from "./pool/sweep.ts";
import { WarmingTargets } from "./pool/warming-targets.ts";
import type { Settings } from "./settings.ts";
import { Grants } from "./sizing/grants.ts";
import { Sizing } from "./sizing/sizing.ts";
import { snapshot, waitEntries, waitEntryOf } from "./snapshot.ts";
import { Turn } from "./turn.ts";
import { Wakes } from "./wakes.ts";

type ConcurrencyConfigured = Extract<Event, { kind: "ConcurrencyConfigured" }>;

/**
 * The whole control plane: events in, commands out; no I/O, no clock, no randomness, no waiting. The
 * server feeds it what happens in the world and performs its commands; the simulator feeds it a
 * made-up world. See ARCHITECTURE.md.
 *
 * Every invocation that arrives leaves by exactly one of: a RunInvocation whose lease ends with
 * InvocationFinished, a RejectInvocation, or InvocationCancelled while it waited.
 */
export class ControlPlane {
  readonly #settings: Settings;
  readonly #turn: Turn;
  readonly #wakes = new Wakes();
  readonly #market: Market;
  /** What was learned of sizes: to be read, stored, and restored before the first event. Settings come as events. */
  readonly sizing = new Sizing();
  readonly #grants: Grants;
  readonly #admission: Admission;
  readonly #pools: Pools;
  readonly #waits: Waits;
  readonly #supply: Supply;
  readonly #provisioned: Provisioned;
  readonly #reclaims: Reclaims;
  readonly #relief: Relief;
  readonly #targets: WarmingTargets;
  readonly #refill: Refill;
  readonly #warmth: Warmth;
  readonly #sweep: Sweep;
  #sweepAtMs: number | undefined;
  /** Changed or deleted functions whose old state some invocations still wait for: what runs them is not kept. */
  readonly #retiredWaiting = new Set<FunctionKey>();
  /** Until the first Tick instances of an earlier server may join; nothing is launched that they could stand for. */
  #isStarted = false;
  #isShuttingDown = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    const turn = new Turn(settings.idPrefix);
    const wakes = this.#wakes;
    const market = new Market(settings);
    const admission = new Admission({ settings, turn, market });
    const grants = new Grants(this.sizing, market);
    const onTaken = (subPool: SubPool) => this.#targets.taken(subPool, turn.nowMs);
    const onReady = (subPool: SubPool) => this.#reclaims.ready(subPool);
    const pools = new Pools({ settings, turn, market, admission, wakes, grants, onTaken, onReady });
    const parts = { settings, turn, market, admission, pools, wakes, grants };
    this.#grants = grants;
    this.#turn = turn;
    this.#market = market;
    this.#admission = admission;
    this.#pools = pools;
    this.#waits = new Waits({
      ...parts,
      onLeased: (container) => this.#leased(container),
      refuse: (invocation, code) => this.#refuse(invocation, code),
    });
    this.#provisioned = new Provisioned(parts);
    this.#reclaims = new Reclaims(parts);
    this.#targets = new WarmingTargets(settings, market, this.#reclaims);
    const { queue } = this.#waits;
    this.#supply = new Supply({
      ...parts,
      queue,
      withFixedOf: (line) => this.#waits.withFixedOf(line),
      wantOf: (line) => this.#waits.wantOf(line),
      worthOf: (container) => this.#warmth.worthOf(container),
    });
    const [targets, provisioned] = [this.#targets, this.#provisioned];
    this.#refill = new Refill({ ...parts, queue, targets, provisioned, wantOf: (line) => this.#waits.wantOf(line) });
    this.#warmth = new Warmth(parts);
    this.#relief = new Relief({ ...parts, worthOf: (container) => this.#warmth.worthOf(container) });
    this.#sweep = new Sweep({ ...parts, refill: this.#refill, targets: this.#targets });
  }

  /** When a Tick is wanted; undefined: not at all. May lie in the past when `handle` was called late. */
  get wakeAtMs(): number | undefined {
    // Asked after every event: nothing is allocated.
    let wakeAtMs = Math.min(this.#waits.nextMs, this.#provisioned.nextMs, this.#sweepAtMs ?? Number.POSITIVE_INFINITY);
    wakeAtMs = Math.min(wakeAtMs, this.#pools.refillAtMs ?? Number.POSITIVE_INFINITY);
    wakeAtMs = Math.min(wakeAtMs, this.#reclaims.nextMs ?? Number.POSITIVE_INFINITY);
    return wakeAtMs === Number.POSITIVE_INFINITY ? undefined : wakeAtMs;
  }

  /**
   * Tells the core what happened; the commands are to be performed in their order.
   * @param nowMs never smaller than in an earlier call.
   */
  handle(event: Event, nowMs: number): readonly Command[] {
    this.#turn.begin(nowMs);
    this.#waits.timePassed();
    this.#provisioned.timePassed();
    this.#apply(event);
    this.#moveStartedOver();
    this.#reclaims.run();
    if (this.#wakes.isAny) this.#drain();
    if (this.#pools.refillAtMs !== undefined && this.#pools.refillAtMs <= nowMs) this.#refillNow();
    this.#sweepAtMs ??= nowMs + this.#settings.sweepMs;
    return this.#turn.commands;
  }

  /** What must hold between events; a full audit, for tests and simulations. @returns what is wrong. */
  brokenInvariant(): string | undefined {
    return audit({
      settings: this.#settings,
      turn: this.#turn,
      admission: this.#admission,
      inventory: this.#pools.inventory,
      waits: this.#waits,
      market: this.#market,
      holdings: this.#pools.holdings,
      provisioned: this.#isStarted && !this.#isShuttingDown ? this.#provisioned : undefined,
    });
  }

  /** What a new container for an invocation would take of an instance now. */
  roomOf(invocation: Invocation): Room {
    return this.#grants.roomOf(invocation);
  }

  /** What a container begins with, before it is a function's. */
  blankMiBOf(runtime: RuntimeName): number {
    return this.#pools.blankSizes.reservedMiB(runtime);
  }

  /** How far containers are held ready for a version; undefined: none are to be. */
  provisionedState(functionKey: FunctionKey): ProvisionedState | undefined {
    return this.#provisioned.stateOf(functionKey);
  }

  /** The same of all versions that are to be held ready. */
  provisionedStates(): Iterable<readonly [FunctionKey, ProvisionedState]> {
    return this.#provisioned.states();
  }

  /** Where everything is, as plain data. */
  snapshot(nowMs: number): PoolsSnapshot {
    return snapshot(this.#pools, this.#waits, nowMs);
  }

  /** Invocations that wait or are held, in the order in which they are tried. @param accountId undefined: of all accounts. */
  waiting(accountId: AccountId | undefined, count: number): WaitEntry[] {
    return waitEntries(this.#waits, accountId, count);
  }

  /** One of them; undefined: it neither waits nor is held. */
  waitOf(id: InvocationId): WaitEntry | undefined {
    return waitEntryOf(this.#waits, id);
  }

  #apply(event: Event): void {
    switch (event.kind) {
      case "InvocationArrived":
        return this.#arrived(event.invocation);
      case "InvocationFinished":
        return this.#finished(event);
      case "InvocationCancelled":
        return this.#cancelled(event.invocationId);
      case "InstanceJoined":
        this.#pools.joined(event.report);
        return this.#reclaims.joined(event.report.instanceId);
      case "LaunchFailed":
        return this.#pools.launchFailed(event.instanceId);
      case "InstanceLost":
        return this.#pools.lost(event.instanceId);
      case "InstanceAtRisk":
        return this.#reclaims.atRisk(event.instanceId);
      case "ReclaimNoticed":
        return this.#reclaims.noticed(event.instanceId, event.deadlineMs, event.reason);
      case "ContainerReady":
        return this.#pools.containerReady(event.instanceId, event.containerId, event.memoryMiB);
      case "ContainerPrewarmed":
        return this.#pools.containerPrewarmed(event.instanceId, event.containerId);
      case "ContainerGone":
        return this.#pools.containerGone(event.instanceId, event.containerId);
      case "ContainerResized":
        return this.#relief.resized(event.instanceId, event.containerId, event.memoryMiB);
      case "InstancePressure":
        return this.#relief.pressure(event.instanceId, event.memoryUsedMiB);
      case "SizingConfigured":
        this.sizing.configure(event.scope, event.settings);
        return this.#sizesChanged();
      case "SizingStopped":
        this.sizing.stop(event.isStopped);
        return this.#sizesChanged();
      case "FunctionRetired":
        return this.#retired(event.functionKey);
      case "OffersChanged":
        this.#market.publish(event.offers, this.#turn.nowMs);
        return this.#termsChanged();
      case "AccountCapacityChanged":
        return this.#accountChanged(event.accountId, event.capacity);
      case "ConcurrencyConfigured":
        return this.#concurrencyConfigured(event);
      case "WallClockSet":
        this.#turn.setWallClock(event.offsetMs);
        return this.#waits.wallClockSet();
      case "RuntimeWanted":
        return this.#pools.runtimeWanted(event);
      case "ShutdownBegan":
        return this.#shutdownBegan();
      case "Tick":
        return this.#tick();
      default:
        event satisfies never;
    }
  }

  // Invocations

  #arrived(invocation: Invocation): void {
    const refusal = this.#isShuttingDown ? "SHUTTING_DOWN" : this.#admission.admit(invocation);
    if (refusal !== undefined) return this.#turn.order({ kind: "RejectInvocation", invocation, code: refusal });
    this.#pools.runtimeWanted(invocation);
    this.#warmth.arrived(invocation);
    this.#waits.arrived(invocation);
  }

  #leased(container: Container): void {
    const { functionKey } = container;
    container.isRetired = functionKey !== undefined && this.#retiredWaiting.has(functionKey);
  }

  #finished(event: Extract<Event, { kind: "InvocationFinished" }>): void {
    const { leaseId, containerUsable, wallMs, initMs } = event;
    const container = this.#pools.inventory.leases.get(leaseId);
    if (container === undefined) return; // The instance went first; the invocation was answered then.
    this.#learn(container, event);
    const { instance } = container;
    const invocation = this.#pools.endLease(container);
    if (invocation !== undefined) this.#waits.durations.observe(invocation.functionKey, wallMs);
    if (invocation !== undefined && initMs !== undefined) this.#warmth.coldStarted(invocation.functionKey, initMs);
    if (!containerUsable || instance.place === "draining") {
      instance.enter(container, "leaving", this.#turn.nowMs);
      this.#wakes.byInstance(instance);
      return this.#pools.endIfDrained(instance);
    }
    this.#pools.turnIdle(container);
    if (container.isRetired) this.#pools.destroy(container, "its function was changed or deleted");
  }

  /** What an execution used may change what the next containers get, and so who has room now. */
  #learn(container: Container, { outcome, usage }: Extract<Event, { kind: "InvocationFinished" }>): void {
    const { lease } = container;
    if (lease === undefined || usage === undefined) return;
    const { invocation, start } = lease;
    if (!this.#grants.observe(invocation, container, start === "cold", outcome, usage)) return;
    this.#provisioned.touch();
    this.#waits.sizesChanged(({ sized }) => sized?.key === invocation.sized?.key);
  }

  /** Those that wait with what was stated before are told apart from those that state another amount now. */
  #moveStartedOver(): void {
    for (const key of this.sizing.takeStartedOver()) {
      this.#provisioned.touch();
      this.#waits.sizesChanged(({ sized }) => sized?.key === key);
    }
  }

  #sizesChanged(): void {
    this.#provisioned.touch();
    this.#waits.sizesChanged(() => true);
  }

  #cancelled(invocationId: InvocationId): void {
    const invocation = this.#waits.cancel(invocationId);
    if (invocation !== undefined) this.#admission.release(invocation, false);
  }

  /** Refuses one that was admitted and has not begun. */
  #refuse(invocation: Invocation, code: RejectCode): void {
    this.#admission.release(invocation, false);
    this.#turn.order({ kind: "RejectInvocation", invocation, code });
  }

  #retired(functionKey: FunctionKey): void {
    const { inventory } = this.#pools;
    this.#warmth.retired(functionKey);
    this.#provisioned.retired(functionKey);
    for (const container of [...inventory.idleOf(functionKey)]) {
      this.#pools.destroy(container, "its function was changed or deleted");
    }
    for (const container of inventory.containersOf(functionKey)) container.isRetired = true;
    if (this.#waits.queue.lengthOf(functionKey) > 0) this.#retiredWaiting.add(functionKey);
  }

  // Capacity

  /** How large a container can be depends on the offers that an account may use. */
  #termsChanged(): void {
    this.#waits.sizesChanged(() => true);
    this.#waits.releaseHeld();
    this.#wakes.everybody();
    this.#pools.wantRefill();
  }

  #accountChanged(accountId: AccountId, capacity: CapacitySettings | undefined): void {
    this.#market.setTerms(accountId, capacity === undefined ? undefined : new AccountTerms(capacity));
    this.#waits.settingsChanged(accountId);
    this.#wakes.accountIds.add(accountId); // Instances of its own may serve it that could not before.
    for (const instance of this.#pools.inventory.activeOf(accountId)) this.#pools.toRefill.add(instance);
    this.#termsChanged();
  }

  #concurrencyConfigured({ accountId, functionName, settings }: ConcurrencyConfigured): void {
    this.#admission.configure(accountId, functionName, settings);
    if (settings?.reserved === 0) {
      this.#waits.refuseAllOf(functionIdOf(accountId, functionName), "RESERVED_CONCURRENCY_LIMIT");
    }
    this.#provisioned.configure(accountId, functionName, settings?.provisioned ?? []);
    this.#wakes.accountIds.add(accountId);
    this.#wakes.supply = true;
  }

  /** Places whom it can and brings about room for the rest. */
  #drain(): void {
    const isHolding = this.#place();
    const mustSupply = this.#wakes.supply && (isHolding || this.#waits.queue.length > 0) && !this.#isShuttingDown;
    this.#wakes.clear();
    if (mustSupply) this.#supply.run(this.#isStarted, isHolding ? this.#provisioned.demands() : []);
    // Supply takes instances into accounts; what that frees is used at once.
    if (this.#wakes.isAny) this.#place();
    this.#wakes.clear();
  }

  /**
   * Those who wait first, then what is to be held ready. Either may take less than the blank container that it begins in: what
   * that leaves is room for more of both.
   * @returns whether something to be held ready was looked for.
   */
  #place(): boolean {
    let isHolding = false;
    do {
      const isForAll = this.#wakes.all || this.#wakes.accountIds.size > 0;
      this.#waits.drain();
      if (isForAll || this.#wakes.hasRoom) this.#provisioned.touch();
      this.#wakes.clearNames();
      if (!this.#provisioned.isToFill || !this.#isStarted || this.#isShuttingDown) break;
      isHolding = true;
      this.#provisioned.fill();
    } while (this.#wakes.namesAny);
    return isHolding;
  }

  #refillNow(): void {
    if (this.#isShuttingDown) return this.#pools.refillBegan();
    this.#refill.run(this.#isStarted);
    this.#wakes.clear();
  }

  // Time

  #tick(): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#provisioned.touch();
      this.#wakes.supply = true;
      this.#pools.wantRefill();
    }
    if (this.#sweepAtMs === undefined || this.#turn.nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = undefined;
    this.#waits.refuseOverdue();
    this.#waits.releaseHeld();
    for (const functionKey of this.#retiredWaiting) {
      if (this.#waits.queue.lengthOf(functionKey) === 0) this.#retiredWaiting.delete(functionKey);
    }
    if (this.#isShuttingDown) return;
    this.#admission.forgetUnused();
    this.#warmth.sweep();
    this.#sweep.run();
    this.#provisioned.touch();
    this.#wakes.supply = true;
    this.#pools.wantRefill();
  }

  #shutdownBegan(): void {
    this.#isShuttingDown = true;
    for (const invocation of this.#waits.takeAll()) this.#refuse(invocation, "SHUTTING_DOWN");
  }
}
