import type { Shape, SubPool } from "../../model/instance.ts";
import type { Invocation } from "../../model/invocation.ts";
import { RUNTIMES } from "../../model/runtime.ts";
import type { WaitQueue } from "../admission/wait-queue.ts";
import { isTighter } from "../placement/place.ts";
import type { Settings } from "../settings.ts";
import { evict } from "./eviction.ts";
import type { Container, Instance } from "./instance.ts";
import type { Inventory } from "./inventory.ts";

/** What `Supply` may ask for; the control plane turns it into commands and state. */
export type SupplyActions = {
  createContainer(instance: Instance, runtime: Invocation["runtime"]): void;
  destroyContainer(container: Container, reason: string): void;
  assignInstance(instance: Instance, invocation: Invocation): void;
  launchInstance(subPool: SubPool, shape: Shape, reason: string): Instance;
  terminateInstance(instance: Instance, reason: string): void;
};

/** Waiting invocations that one pass plans for; more of them would ask for the same capacity. */
const PLANNED_MAX = 256;

/**
 * Brings about room for the invocations that wait. Each pass walks the queue in order and promises
 * every waiting invocation something that exists or is under way, the nearest first: a container
 * that is being created for its account, a new container on one of the account's instances, the same
 * after evicting idle ones, a warming instance, one that is being launched, a new launch, and last
 * the idle instance of another account that has been unused longest. What is promised to one is not
 * promised to the next, so a pass asks for just as much as is missing, and asking again changes
 * nothing.
 */
export class Supply {
  readonly #settings: Settings;
  readonly #inventory: Inventory;
  readonly #queue: WaitQueue;
  readonly #actions: SupplyActions;
  #pass = 0;
  #nowMs = 0;

  constructor(settings: Settings, inventory: Inventory, queue: WaitQueue, actions: SupplyActions) {
    this.#settings = settings;
    this.#inventory = inventory;
    this.#queue = queue;
    this.#actions = actions;
  }

  /** @param launchAllowed false while launches are backed off. */
  run(subPoolOf: (invocation: Invocation) => SubPool, launchAllowed: boolean, nowMs: number): void {
    this.#pass++;
    this.#nowMs = nowMs;
    let planned = 0;
    const unsupplied: Invocation[] = [];
    for (const functionKey of [...this.#queue.functionKeys()]) {
      // All entries of one function are alike, so the first one that gets nothing ends its turn.
      const invocation = this.#queue.head(functionKey);
      if (invocation === undefined) continue;
      const waiting = Math.min(this.#queue.lengthOf(functionKey), PLANNED_MAX - planned);
      const supplied = this.#supply(invocation, waiting, subPoolOf(invocation), launchAllowed);
      if (supplied < waiting) unsupplied.push(invocation);
      planned += supplied;
      if (planned >= PLANNED_MAX) break;
    }
    // Only now is it known which instances are promised to nobody.
    if (launchAllowed) for (const invocation of unsupplied) this.#takeOver(invocation);
  }

  /** @returns for how many of the waiting invocations, all like this one, something is under way. */
  #supply(invocation: Invocation, waiting: number, subPool: SubPool, launchAllowed: boolean): number {
    let supplied = 0;
    while (supplied < waiting && this.#supplyOne(invocation, subPool, launchAllowed)) supplied++;
    return supplied;
  }

  #supplyOne(invocation: Invocation, subPool: SubPool, launchAllowed: boolean): boolean {
    return (
      this.#onActive(invocation) ||
      this.#onWarming(invocation, subPool) ||
      this.#onLaunching(invocation, subPool) ||
      (launchAllowed && this.#byLaunch(invocation, subPool)) ||
      this.#byEviction(invocation)
    );
  }

  #onActive(invocation: Invocation): boolean {
    const { runtime, memoryMiB } = invocation;
    let best: Instance | undefined;
    for (const instance of this.#inventory.activeOf(invocation.accountId)) {
      this.#beginPlan(instance);
      if (instance.plannedCreating[runtime] > 0 && this.#plannableMiB(instance) >= memoryMiB - this.#blankMiB) {
        instance.plannedCreating[runtime]--;
        promise(instance, memoryMiB - this.#blankMiB);
        return true;
      }
      if (this.#plannableMiB(instance) < memoryMiB) continue;
      if (best === undefined || isTighter(instance, best)) best = instance;
    }
    if (best === undefined) return false;
    promise(best, memoryMiB);
    if (canCreate(best, this.#settings, this.#nowMs)) {
      this.#actions.createContainer(best, runtime);
      best.plannedMemoryMiB -= this.#blankMiB;
    }
    return true;
  }

  /** A warming instance without a blank of this runtime: it becomes the account's, and gets one. */
  #onWarming(invocation: Invocation, subPool: SubPool): boolean {
    for (const instance of this.#inventory.at("warming")) {
      if (instance.subPool !== subPool) continue;
      this.#beginPlan(instance);
      const { runtime, memoryMiB } = invocation;
      if (instance.isPromised) continue;
      if (instance.plannedCreating[runtime] > 0 && this.#plannableMiB(instance) >= memoryMiB - this.#blankMiB) {
        // Its blank is on the way; taking the instance now would not make it come sooner.
        instance.plannedCreating[runtime]--;
        promise(instance, memoryMiB);
        return true;
      }
      if (this.#plannableMiB(instance) >= memoryMiB) {
        this.#actions.assignInstance(instance, invocation);
        return this.#onActive(invocation);
      }
      const blanks = evictableBlanks(instance);
      if (this.#plannableMiB(instance) + blanks.length * this.#blankMiB >= memoryMiB) {
        this.#actions.assignInstance(instance, invocation);
        for (const blank of blanks) this.#actions.destroyContainer(blank, "its memory is needed");
        return this.#onActive(invocation);
      }
    }
    return false;
  }

  #onLaunching({ memoryMiB }: Invocation, subPool: SubPool): boolean {
    for (const instance of this.#inventory.at("launching")) {
      if (instance.subPool !== subPool) continue;
      this.#beginPlan(instance);
      if (instance.shape.memoryMiB - instance.plannedMemoryMiB < memoryMiB) continue;
      promise(instance, memoryMiB);
      return true;
    }
    return false;
  }

  #byLaunch(invocation: Invocation, subPool: SubPool): boolean {
    const shape = this.#shapeFor(invocation.memoryMiB);
    if (!this.#fitsCapacity(shape)) return false;
    const instance = this.#actions.launchInstance(subPool, shape, `function ${invocation.functionKey} waits`);
    this.#beginPlan(instance);
    promise(instance, invocation.memoryMiB);
    return true;
  }

  #byEviction(invocation: Invocation): boolean {
    const { runtime, memoryMiB } = invocation;
    for (const instance of this.#inventory.activeOf(invocation.accountId)) {
      this.#beginPlan(instance);
      const chosen = evict(instance, runtime, memoryMiB - this.#plannableMiB(instance));
      if (chosen === undefined) continue;
      for (const container of chosen) this.#actions.destroyContainer(container, "its memory is needed");
      promise(instance, memoryMiB);
      return true;
    }
    return false;
  }

  /** Idle instances give way, of other accounts or of a shape that does not fit; the launch follows when they are gone. */
  #takeOver(invocation: Invocation): void {
    const shape = this.#shapeFor(invocation.memoryMiB);
    // Capacity that is already on its way back is waited for, not asked for twice.
    let comingMiB = this.#settings.capacity.memoryMiB - this.#inventory.takenMemoryMiB;
    for (const instance of this.#inventory.at("draining")) comingMiB += instance.shape.memoryMiB;
    const victims = [...this.#inventory.at("active"), ...this.#inventory.at("warming")]
      .filter((instance) => instance.runningCount === 0 && !this.#isWanted(instance))
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
    const chosen: Instance[] = [];
    for (const victim of victims) {
      if (comingMiB >= shape.memoryMiB) break;
      comingMiB += victim.shape.memoryMiB;
      chosen.push(victim);
    }
    if (comingMiB < shape.memoryMiB) return;
    for (const victim of chosen) this.#actions.terminateInstance(victim, "its capacity is needed");
  }

  /** Promised in this pass, or making a container for somebody who may not have had a turn in it. */
  #isWanted(instance: Instance): boolean {
    if (instance.place === "active" && instance.creatingTotal() > 0) return true;
    return instance.plannedPass === this.#pass && instance.isPromised;
  }

  /** The smallest instance for a function: the default shape, or the function's own size with CPU in proportion. */
  #shapeFor(memoryMiB: number): Shape {
    const { defaultShape, capacity } = this.#settings;
    if (memoryMiB <= defaultShape.memoryMiB) return defaultShape;
    const cpuMilli = Math.ceil((defaultShape.cpuMilli * memoryMiB) / defaultShape.memoryMiB);
    return { memoryMiB, cpuMilli: Math.min(capacity.cpuMilli, cpuMilli) };
  }

  #fitsCapacity(shape: Shape): boolean {
    return this.#inventory.takenMemoryMiB + shape.memoryMiB <= this.#settings.capacity.memoryMiB;
  }

  get #blankMiB(): number {
    return this.#settings.blankMemoryMiB;
  }

  /** Memory of an instance that is free or about to be, and promised to nobody in this pass. */
  #plannableMiB(instance: Instance): number {
    return instance.freeMemoryMiB + instance.leavingMemoryMiB - instance.plannedMemoryMiB;
  }

  #beginPlan(instance: Instance): void {
    if (instance.plannedPass === this.#pass) return;
    instance.plannedPass = this.#pass;
    instance.plannedMemoryMiB = 0;
    instance.isPromised = false;
    for (const runtime of RUNTIMES) instance.plannedCreating[runtime] = instance.creatingCount[runtime];
  }
}

function promise(instance: Instance, memoryMiB: number): void {
  instance.plannedMemoryMiB += memoryMiB;
  instance.isPromised = true;
}

/** Whether an instance can start one more blank container now. */
export function canCreate(instance: Instance, settings: Settings, nowMs: number): boolean {
  return (
    instance.freeMemoryMiB >= settings.blankMemoryMiB &&
    instance.creations.allows(nowMs) &&
    instance.creatingTotal() < settings.creationsPerInstanceMax
  );
}

function evictableBlanks(instance: Instance): Container[] {
  return RUNTIMES.flatMap((runtime) => instance.blanks[runtime]);
}
