import type { AccountId, ContainerId, FunctionKey, InstanceId, LeaseId } from "../../model/ids.ts";
import type { Lease } from "../../model/invocation.ts";
import type { InstanceState } from "../../model/snapshot.ts";
import assert from "../assert.ts";
import type { OfferState } from "../market/market.ts";
import type { Container, FunctionUse, Instance } from "./instance.ts";
import { Openings } from "./openings.ts";

/**
 * Everything that exists: instances by place and by account, idle containers by function, leases.
 * It keeps the indexes true; it decides nothing.
 */
export class Inventory {
  readonly instances = new Map<InstanceId, Instance>();
  readonly leases = new Map<LeaseId, Container>();
  /** Functions that run or hold idle containers; ones that do neither any more are forgotten now and then. */
  readonly #uses = new Map<FunctionKey, FunctionUse>();
  readonly #byPlace: { readonly [place in InstanceState]: Set<Instance> } = {
    launching: new Set(),
    warming: new Set(),
    active: new Set(),
    draining: new Set(),
  };
  readonly #active = new Map<AccountId, Openings>();
  readonly #resting = new Set<Instance>();
  readonly #warming = new Openings(this.#resting);

  at(place: InstanceState): ReadonlySet<Instance> {
    return this.#byPlace[place];
  }

  activeOf(accountId: AccountId): ReadonlySet<Instance> {
    return this.openingsOf(accountId).all;
  }

  /** The account's instances by what they have to give. */
  openingsOf(accountId: AccountId): Openings {
    return this.#active.get(accountId) ?? NONE;
  }

  /** The same of instances that are nobody's yet. */
  get warming(): Openings {
    return this.#warming;
  }

  /** Those of accounts and of the warming pool on which nothing runs. */
  get resting(): ReadonlySet<Instance> {
    return this.#resting;
  }

  /**
   * How many instances of its own an account can rely on: one at risk is none of them.
   * @param most counted no further than this: the sweep asks of every instance.
   */
  lastingCountOf(accountId: AccountId, most: number): number {
    let count = 0;
    for (const { isAtRisk } of this.activeOf(accountId)) {
      if (count >= most) break;
      if (!isAtRisk) count++;
    }
    return count;
  }

  /** Of an offer: memory that is free, or will be when what drains is gone. Infinity: it knows no end. */
  comingMiB(source: OfferState): number {
    let comingMiB = (source.offer?.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY) - source.takenMiB;
    for (const instance of this.at("draining")) if (instance.source === source) comingMiB += instance.shape.memoryMiB;
    return comingMiB;
  }

  /** Executions of the function now. */
  runningOf(functionKey: FunctionKey): number {
    return this.#uses.get(functionKey)?.running ?? 0;
  }

  addLease(lease: Lease, container: Container): void {
    this.leases.set(lease.id, container);
    this.#useOf(container, lease.invocation.functionKey).running++;
  }

  dropLease(lease: Lease, container: Container): void {
    this.leases.delete(lease.id);
    this.#useOf(container, lease.invocation.functionKey).running--;
  }

  /** Most recently used last; those that are held ready behind all others. */
  idleOf(functionKey: FunctionKey): readonly Container[] {
    return this.#uses.get(functionKey)?.idle ?? [];
  }

  /** Functions that hold idle containers, with them. */
  *idleFunctions(): IterableIterator<readonly Container[]> {
    for (const { idle } of this.#uses.values()) if (idle.length > 0) yield idle;
  }

  /** Forgets functions of which nothing is left; at every end of an execution it would cost more than the call. */
  forgetUnused(): void {
    for (const [functionKey, { running, idle }] of this.#uses) {
      if (running === 0 && idle.length === 0) this.#uses.delete(functionKey);
    }
  }

  /** Kept at the container, so that a warm call finds it without a look-up. */
  #useOf(container: Container, functionKey: FunctionKey): FunctionUse {
    if (container.use !== undefined) return container.use;
    let use = this.#uses.get(functionKey);
    if (use === undefined) {
      use = { running: 0, idle: [], heldIdle: 0 };
      this.#uses.set(functionKey, use);
    }
    container.use = use;
    return use;
  }

  /** Containers that run the function or are being prewarmed with it; idle ones are `idleOf`. */
  *containersOf(functionKey: FunctionKey): IterableIterator<Container> {
    for (const container of this.leases.values()) if (container.functionKey === functionKey) yield container;
    for (const instance of this.at("active")) {
      if (instance.prewarmingCount === 0) continue;
      for (const container of instance.containers.values()) {
        if (container.state === "prewarming" && container.functionKey === functionKey) yield container;
      }
    }
  }

  containerOf(instanceId: InstanceId, containerId: ContainerId): Container | undefined {
    return this.instances.get(instanceId)?.containers.get(containerId);
  }

  add(instance: Instance): void {
    this.instances.set(instance.id, instance);
    this.#byPlace[instance.place].add(instance);
    if (instance.place === "warming") this.#warming.join(instance);
    instance.source.takenMiB += instance.shape.memoryMiB;
    instance.source.heldCount++;
  }

  move(instance: Instance, place: InstanceState, nowMs: number): void {
    this.#byPlace[instance.place].delete(instance);
    this.#leaveOpenings(instance);
    instance.moveTo(place, nowMs);
    this.#byPlace[place].add(instance);
    if (place === "warming") this.#warming.join(instance);
  }

  /** The one step from warming (or, when adopted, from nowhere) to an account's active pool. */
  assign(instance: Instance, accountId: AccountId, nowMs: number): void {
    assert(
      instance.accountId === undefined || instance.accountId === accountId,
      "an instance serves one account, ever",
    );
    instance.accountId = accountId;
    this.move(instance, "active", nowMs);
    let active = this.#active.get(accountId);
    if (active === undefined) {
      active = new Openings(this.#resting);
      this.#active.set(accountId, active);
    }
    active.join(instance);
  }

  /** Forgets an instance with all it held. Its leases are void: their containers are returned. */
  remove(instance: Instance): Container[] {
    const leased: Container[] = [];
    for (const container of instance.containers.values()) {
      if (container.state === "idle") this.forgetIdle(container);
      container.holder?.release(container);
      if (container.lease === undefined) continue;
      this.dropLease(container.lease, container);
      instance.source.runningMiB -= container.memoryMiB;
      leased.push(container);
    }
    this.#byPlace[instance.place].delete(instance);
    this.#leaveOpenings(instance);
    this.instances.delete(instance.id);
    instance.source.takenMiB -= instance.shape.memoryMiB;
    instance.source.heldCount--;
    return leased;
  }

  rememberIdle(container: Container): void {
    assert(container.functionKey !== undefined, "an idle container holds a function");
    const use = this.#useOf(container, container.functionKey);
    if (container.holder !== undefined) use.heldIdle++;
    else if (use.heldIdle > 0) return void use.idle.splice(use.idle.length - use.heldIdle, 0, container);
    use.idle.push(container);
  }

  forgetIdle(container: Container): void {
    const { use } = container;
    const index = use?.idle.lastIndexOf(container) ?? -1;
    if (use === undefined || index < 0) return;
    const { idle } = use;
    if (container.holder !== undefined) use.heldIdle--;
    if (index === idle.length - 1) idle.pop();
    else idle.splice(index, 1);
  }

  #leaveOpenings(instance: Instance): void {
    const { listing, accountId } = instance;
    if (listing === undefined) return;
    listing.leave(instance);
    // What is being assigned has its account already.
    if (listing !== this.#warming && accountId !== undefined && listing.all.size === 0) this.#active.delete(accountId);
  }
}

const NONE = new Openings(new Set());
