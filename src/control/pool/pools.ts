import type { WaitCause } from "../../model/capacity.ts";
import type { RejectCode } from "../../model/error-code.ts";
import type { Grant } from "../../model/grant.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, LeaseId } from "../../model/ids.ts";
import type { InstanceReport, Shape, SubPool } from "../../model/instance.ts";
import type { Invocation, Lease } from "../../model/invocation.ts";
import type { RuntimeName } from "../../model/runtime.ts";
import type { PoolCounters } from "../../model/snapshot.ts";
import type { Admission } from "../admission/admission.ts";
import type { Market, OfferState } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import { BlankSizes } from "../sizing/blank-sizes.ts";
import type { Grants } from "../sizing/grants.ts";
import type { Turn } from "../turn.ts";
import type { Wakes } from "../wakes.ts";
import { instanceFrom } from "./adoption.ts";
import { evict } from "./eviction.ts";
import { Holdings } from "./holdings.ts";
import { Container, Instance } from "./instance.ts";
import { Inventory } from "./inventory.ts";

/** What the pools are made of. */
export type PoolParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly admission: Admission;
  readonly wakes: Wakes;
  readonly grants: Grants;
  /** An instance was taken out of its warming sub-pool. */
  onTaken(subPool: SubPool): void;
  /** One that was launched can be used. */
  onReady(subPool: SubPool): void;
};

/** How an invocation came to its container. */
export type Waited = { readonly ms: number; readonly for: readonly WaitCause[] };

/** Why and for whom an instance is launched. */
export type LaunchReason = {
  readonly reason: string;
  readonly bidUsdPerHour?: number | undefined;
  /** Assigned the moment it joins. */
  readonly reservedFor?: AccountId;
};

/**
 * The instances, their containers and the leases on them: every change of theirs is made here, with the command that makes it
 * true in the world. It keeps what must hold; what is to be done is decided by those who call it.
 */
export class Pools {
  readonly inventory = new Inventory();
  readonly counters: { -readonly [name in keyof PoolCounters]: number } = {
    launches: 0,
    launchFailures: 0,
    instancesLost: 0,
    instancesReclaimed: 0,
    coldStarts: 0,
    warmStarts: 0,
    prewarms: 0,
    provisionedStarts: 0,
    spillovers: 0,
    evictions: 0,
  };
  /** Instances that may lack blank containers. */
  readonly toRefill = new Set<Instance>();
  readonly blankSizes: BlankSizes;
  /** Function versions for which containers are held ready. */
  readonly holdings = new Holdings(this.inventory, this.counters);
  /** Runtimes of `blanksOnDemand` that nobody wanted so far. */
  readonly #unwanted: Set<RuntimeName>;
  readonly #settings: Settings;
  readonly #turn: Turn;
  readonly #market: Market;
  readonly #admission: Admission;
  readonly #wakes: Wakes;
  readonly #grants: Grants;
  readonly #onTaken: (subPool: SubPool) => void;
  readonly #onReady: (subPool: SubPool) => void;
  #refillAtMs: number | undefined;

  constructor({ settings, turn, market, admission, wakes, grants, onTaken, onReady }: PoolParts) {
    this.#onTaken = onTaken;
    this.#onReady = onReady;
    this.#settings = settings;
    this.#unwanted = new Set(settings.blanksOnDemand);
    this.#turn = turn;
    this.#market = market;
    this.#admission = admission;
    this.#wakes = wakes;
    this.#grants = grants;
    this.blankSizes = new BlankSizes(settings.blankMemoryMiB);
  }

  /** When the pools are to be brought back to their targets; undefined: they are at them, as far as is known. */
  get refillAtMs(): number | undefined {
    return this.#refillAtMs;
  }

  wantRefill(atMs = this.#turn.nowMs): void {
    if (this.#refillAtMs === undefined || atMs < this.#refillAtMs) this.#refillAtMs = atMs;
  }

  refillBegan(): void {
    this.#refillAtMs = undefined;
  }

  /** Blank containers of a runtime that an instance shall keep. */
  blankTargetOf(runtime: RuntimeName): number {
    return this.#unwanted.has(runtime) ? 0 : (this.#settings.blankTarget[runtime] ?? 0);
  }

  /** Of runtimes without blank containers on demand; of the others nothing needs to be known. On the path of every arrival. */
  runtimeWanted({ accountId, runtime }: Pick<Invocation, "accountId" | "runtime">): void {
    if (!this.#settings.blanksOnDemand.includes(runtime)) return;
    for (const instance of this.inventory.activeOf(accountId)) {
      if (instance.usedRuntimes.has(runtime)) continue;
      instance.usedRuntimes.add(runtime);
      this.#refillSoon(instance);
    }
    if (!this.#unwanted.delete(runtime)) return;
    for (const instance of this.inventory.at("warming")) this.#refillSoon(instance);
  }

  // Leases

  /** Gives a container, idle or blank, to an invocation and orders the execution. @param why one sentence for people. */
  lease(container: Container, invocation: Invocation, waited: Waited, why: string): void {
    const { instance } = container;
    const start = container.state === "idle" ? "warm" : "cold";
    if (start === "warm") {
      this.counters.warmStarts++;
      this.inventory.forgetIdle(container);
    } else {
      this.counters.coldStarts++;
      this.#take(container, invocation);
    }
    const { subPool, source } = instance;
    const priceUsdPerHour = source.offer?.priceUsdPerHour;
    const placement = { subPool, offerId: source.id, priceUsdPerHour, why, waitedMs: waited.ms, waitedFor: waited.for };
    this.holdings.count(container, invocation.functionKey);
    const id = this.#turn.newId("l") as LeaseId;
    const { grant } = container;
    const lease: Lease = {
      id,
      invocation,
      instanceId: instance.id,
      containerId: container.id,
      start,
      placement,
      grant,
    };
    container.lease = lease;
    container.startLimitMiB = container.limitMiB;
    container.isUnproven = false;
    instance.enter(container, "running", this.#turn.nowMs);
    this.inventory.addLease(lease, container);
    this.#admission.began(invocation);
    this.#turn.order({ kind: "RunInvocation", lease });
  }

  /** The one place where a lease is given back. */
  endLease(container: Container): Invocation | undefined {
    const { lease, instance } = container;
    if (lease === undefined) return undefined;
    container.lease = undefined;
    instance.lastUsedMs = this.#turn.nowMs;
    this.inventory.dropLease(lease, container);
    this.#release(lease.invocation);
    return lease.invocation;
  }

  /** An execution ended. If as many ran as may, one more may run now, wherever. */
  #release(invocation: Invocation): void {
    if (!this.#admission.mayRun(invocation)) this.#wakes.accountIds.add(invocation.accountId);
    this.#admission.release(invocation, true);
  }

  /** The execution ended and its container takes the next one. */
  turnIdle(container: Container): void {
    const { instance, functionKey } = container;
    container.keepUntilMs = undefined;
    instance.enter(container, "idle", this.#turn.nowMs);
    this.inventory.rememberIdle(container);
    if (functionKey !== undefined) this.#wakes.functionKeys.add(functionKey);
    this.#wakes.supply = true;
  }

  /** A blank container becomes a function's; the instance, if it was nobody's, its account's. */
  #take(container: Container, invocation: Invocation): Grant {
    const { accountId, functionKey } = invocation;
    const { instance } = container;
    // Only now has a launch led to anything: an instance may join and yet be of no use.
    instance.source.launchSucceeded();
    if (instance.place === "warming") this.assign(instance, accountId);
    const grant = this.#grants.grantFor(
      invocation,
      instance.freeMemoryMiB + container.memoryMiB,
      instance.shape.memoryMiB,
    );
    const blankMiB = container.memoryMiB;
    instance.grant(container, grant);
    this.#grants.taken(invocation, grant);
    // A small function takes less than a started runtime was counted with: others of the account may fit besides.
    if (grant.reservedMiB < blankMiB) this.#wakes.byInstance(instance);
    instance.usedRuntimes.add(container.runtime);
    container.functionKey = functionKey;
    this.toRefill.add(instance);
    this.wantRefill(this.#turn.nowMs + this.#settings.refillDelayMs);
    return grant;
  }

  // Containers

  create(instance: Instance, runtime: RuntimeName, reason: string): void {
    const containerId = this.#turn.newId("c") as ContainerId;
    const reservedMiB = this.blankSizes.reservedMiB(runtime);
    instance.add(new Container(containerId, instance, runtime, reservedMiB, this.#turn.nowMs));
    this.#turn.order({ kind: "CreateContainer", instanceId: instance.id, containerId, runtime, reservedMiB, reason });
  }

  /** Loads a function into a blank container ahead of its call. */
  prewarm(container: Container, wanted: Invocation, reason: string): void {
    const { instance } = container;
    const grant = this.#take(container, wanted);
    this.counters.prewarms++;
    instance.enter(container, "prewarming", this.#turn.nowMs);
    container.isInitializedAhead = true;
    const { functionKey } = wanted;
    const [instanceId, containerId] = [instance.id, container.id];
    this.#turn.order({ kind: "PrewarmContainer", instanceId, containerId, functionKey, grant, reason });
  }

  destroy(container: Container, reason: string): void {
    const { instance } = container;
    if (container.state === "idle") {
      this.counters.evictions++;
      this.inventory.forgetIdle(container);
    }
    instance.enter(container, "leaving", this.#turn.nowMs);
    this.#turn.order({ kind: "DestroyContainer", instanceId: instance.id, containerId: container.id, reason });
  }

  /** @param memoryMiB that it holds; undefined: nobody knows. */
  containerReady(instanceId: InstanceId, containerId: ContainerId, memoryMiB: number | undefined): void {
    const instance = this.inventory.instances.get(instanceId);
    if (instance === undefined || instance.place === "draining") return;
    const container = instance.containers.get(containerId);
    if (container === undefined) return this.#disown(instanceId, containerId);
    if (container.state !== "creating") return; // Told to go before it was there.
    instance.enter(container, "blank", this.#turn.nowMs);
    if (memoryMiB !== undefined) this.blankSizes.observe(container.runtime, memoryMiB);
    instance.creations.succeeded();
    this.#wakes.byInstance(instance);
    this.#refillSoon(instance);
  }

  containerPrewarmed(instanceId: InstanceId, containerId: ContainerId): void {
    const instance = this.inventory.instances.get(instanceId);
    if (instance === undefined || instance.place === "draining") return;
    const container = instance.containers.get(containerId);
    if (container === undefined) return this.#disown(instanceId, containerId);
    if (container.state !== "prewarming") return;
    container.holder?.loaded();
    this.turnIdle(container);
    if (container.isRetired) this.destroy(container, "its function was changed or deleted");
  }

  containerGone(instanceId: InstanceId, containerId: ContainerId): void {
    const container = this.inventory.containerOf(instanceId, containerId);
    if (container === undefined) return;
    const { instance } = container;
    if (container.state === "creating") this.#backOffCreation(instance);
    container.holder?.ended(container, this.#turn.nowMs);
    if (container.state === "idle") this.inventory.forgetIdle(container);
    const cutOff = this.endLease(container);
    instance.remove(container);
    if (cutOff !== undefined) this.#reject(cutOff, "INSTANCE_LOST");
    this.#wakes.byInstance(instance);
    this.#refillSoon(instance);
    this.endIfDrained(instance);
  }

  /** An earlier server asked for it and nobody counts it: it goes. */
  #disown(instanceId: InstanceId, containerId: ContainerId): void {
    this.#turn.order({ kind: "DestroyContainer", instanceId, containerId, reason: "no server of now asked for it" });
  }

  #backOffCreation(instance: Instance): void {
    instance.creations.failed(this.#turn.nowMs);
    const isHopeless = instance.creations.failures >= this.#settings.createFailuresMax && instance.runningCount === 0;
    if (!isHopeless || instance.place === "draining") return;
    this.terminate(instance, "it cannot make containers");
    this.backOffLaunch(instance.source); // The next one may fare no better.
  }

  #refillSoon(instance: Instance): void {
    this.toRefill.add(instance);
    this.wantRefill();
  }

  // Instances

  launch(source: OfferState, shape: Shape, { reason, bidUsdPerHour, reservedFor }: LaunchReason): Instance {
    const instanceId = this.#turn.newId("i") as InstanceId;
    const subPool = source.offer?.subPool ?? "fixed";
    const instance = new Instance(instanceId, source, subPool, shape, this.#settings, this.#turn.nowMs);
    instance.reservedFor = reservedFor;
    this.inventory.add(instance);
    this.counters.launches++;
    this.#turn.order({ kind: "LaunchInstance", instanceId, subPool, offerId: source.id, shape, bidUsdPerHour, reason });
    return instance;
  }

  /** From warming to active, for one account and for good. */
  assign(instance: Instance, accountId: AccountId): void {
    this.inventory.assign(instance, accountId, this.#turn.nowMs);
    this.#onTaken(instance.subPool);
    instance.lastUsedMs = this.#turn.nowMs;
    this.#turn.order({ kind: "AssignInstance", instanceId: instance.id, accountId });
    this.#wakes.byInstance(instance);
    this.toRefill.add(instance);
    this.wantRefill(this.#turn.nowMs + this.#settings.refillDelayMs);
  }

  /** Places nothing on it from now on; it ends when nothing runs on it any more. */
  drain(instance: Instance, reason: string): void {
    if (instance.place === "draining") return;
    if (instance.runningCount === 0) return this.terminate(instance, reason);
    this.#clear(instance);
    this.inventory.move(instance, "draining", this.#turn.nowMs);
    instance.endReason = reason;
  }

  /** Ends an instance that drains when its last execution has ended. */
  endIfDrained(instance: Instance): void {
    if (instance.place !== "draining" || instance.isEnding || instance.runningCount > 0) return;
    this.terminate(instance, instance.endReason);
  }

  /** Ends an instance at once; what still runs on it is answered for when it is gone. */
  terminate(instance: Instance, reason: string): void {
    if (instance.isEnding) return;
    instance.isEnding = true;
    this.#clear(instance);
    if (instance.place !== "draining") this.inventory.move(instance, "draining", this.#turn.nowMs);
    this.#turn.order({ kind: "TerminateInstance", instanceId: instance.id, reason });
  }

  /** Answers for what runs on an instance that is about to be taken away. Its containers count as dying. */
  cutOff(instance: Instance, code: RejectCode): void {
    for (const container of [...instance.containers.values()]) {
      const invocation = this.endLease(container);
      if (invocation === undefined) continue;
      instance.enter(container, "leaving", this.#turn.nowMs);
      this.#reject(invocation, code);
    }
  }

  joined(report: InstanceReport): void {
    const known = this.inventory.instances.get(report.instanceId);
    if (known?.place === "launching") return this.#launched(known);
    // An agent that was told to end, or that comes back after its loss was answered for: it is of no more use.
    if (known === undefined) this.#adopt(report);
  }

  launchFailed(instanceId: InstanceId): void {
    const instance = this.inventory.instances.get(instanceId);
    if (instance?.place !== "launching") return;
    this.inventory.remove(instance);
    this.backOffLaunch(instance.source);
    this.#wakes.everybody();
  }

  /** Avoids an offer for a while, longer each time. */
  backOffLaunch(source: OfferState): void {
    this.counters.launchFailures++;
    source.launchFailed(this.#turn.nowMs);
    this.wantRefill(source.notBeforeMs);
  }

  lost(instanceId: InstanceId): void {
    const instance = this.inventory.instances.get(instanceId);
    if (instance === undefined) return;
    const { place, isEnding, endsAtMs, source } = instance;
    const code = endsAtMs === undefined ? "INSTANCE_LOST" : "RECLAIMED";
    for (const { lease } of this.inventory.remove(instance)) {
      if (lease === undefined) continue;
      this.#release(lease.invocation);
      this.#reject(lease.invocation, code);
    }
    this.toRefill.delete(instance);
    if (place === "launching") this.backOffLaunch(source);
    else this.#recordEnd(instance);
    // What is left of it (a process, a cgroup) must go, whatever happened.
    if (!isEnding) this.#turn.order({ kind: "TerminateInstance", instanceId, reason: "it was lost" });
    this.#wakes.everybody();
    this.wantRefill();
  }

  /** A noticed one was recorded when its notice came. */
  #recordEnd({ endsAtMs, isEnding, source, bornMs }: Instance): void {
    if (endsAtMs !== undefined) return;
    const aliveMs = this.#turn.nowMs - bornMs;
    if (isEnding) return source.record.givenUp(aliveMs);
    this.counters.instancesLost++;
    source.record.lost(this.#turn.nowMs, aliveMs);
  }

  /** What is idle or blank on it is of no more use. */
  #clear(instance: Instance): void {
    for (const container of [...instance.containers.values()]) {
      if (container.state === "idle") this.inventory.forgetIdle(container);
      container.holder?.release(container);
      if (container.state !== "leaving" && container.state !== "running") {
        instance.enter(container, "leaving", this.#turn.nowMs);
      }
    }
    this.toRefill.delete(instance);
  }

  #launched(instance: Instance): void {
    this.inventory.move(instance, "warming", this.#turn.nowMs);
    instance.source.record.succeeded();
    this.#onReady(instance.subPool);
    if (instance.reservedFor !== undefined && this.#isMissing(instance.reservedFor) && !instance.isAtRisk) {
      this.assign(instance, instance.reservedFor);
    }
    instance.reservedFor = undefined;
    this.#wakes.byInstance(instance);
    this.#refillSoon(instance);
  }

  /** Whether the account has fewer instances than it shall have of its own. */
  #isMissing(accountId: AccountId): boolean {
    const own = this.#market.termsOf(accountId).settings.dedicatedInstances;
    return this.inventory.lastingCountOf(accountId, own) < own;
  }

  /** Takes over an instance of an earlier server with all it holds and runs. */
  #adopt(report: InstanceReport): void {
    const instance = instanceFrom(report, this.#market.stateOf(report.offerId), this.#settings, this.#turn.nowMs);
    this.inventory.add(instance);
    if (report.accountId !== undefined) this.inventory.assign(instance, report.accountId, this.#turn.nowMs);
    for (const container of instance.containers.values()) {
      if (container.state === "idle") this.inventory.rememberIdle(container);
      if (container.lease === undefined) continue;
      this.inventory.addLease(container.lease, container);
      this.#admission.adopt(container.lease.invocation);
    }
    this.holdings.adopt(instance);
    // Two servers in a row may have ordered more than fits, each unaware of what the other had under way.
    for (const container of evict(instance, undefined, -instance.freeMemoryMiB) ?? []) {
      this.destroy(container, "the instance holds more than its size");
    }
    this.#wakes.byInstance(instance);
    for (const key of functionKeysOn(instance)) this.#wakes.functionKeys.add(key);
    this.#refillSoon(instance);
  }

  #reject(invocation: Invocation, code: RejectCode): void {
    this.#turn.order({ kind: "RejectInvocation", invocation, code });
  }
}

function functionKeysOn(instance: Instance): FunctionKey[] {
  return [...instance.containers.values()].flatMap(({ functionKey }) =>
    functionKey === undefined ? [] : [functionKey],
  );
}
