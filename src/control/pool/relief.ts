import type { ContainerId, InstanceId } from "../../model/ids.ts";
import type { Settings } from "../settings.ts";
import type { Wakes } from "../wakes.ts";
import { evict, type WorthOf } from "./eviction.ts";
import type { Container, Instance } from "./instance.ts";
import type { Pools } from "./pools.ts";

export type ReliefParts = {
  readonly settings: Settings;
  readonly pools: Pools;
  readonly wakes: Wakes;
  readonly worthOf: WorthOf;
};

/**
 * What happens when containers really use more than was reserved for them: a ladder of which each step is tried before the next.
 * An instance under pressure takes no new containers; its idle ones go, those of least value first; what would have been
 * placed on it is placed elsewhere. Only when all that is not enough does the kernel decide, by the priorities that agents set.
 */
export class Relief {
  readonly #parts: ReliefParts;

  constructor(parts: ReliefParts) {
    this.#parts = parts;
  }

  /** @param usedMiB that its containers hold and that cannot be reclaimed. */
  pressure(instanceId: InstanceId, usedMiB: number): void {
    const { pools, wakes, settings } = this.#parts;
    const instance = pools.inventory.instances.get(instanceId);
    if (instance === undefined || (instance.place !== "warming" && instance.place !== "active")) return;
    const { memoryMiB } = instance.shape;
    const clearMiB = memoryMiB * settings.pressureClearShare;
    const wasPressed = instance.isPressed;
    instance.isPressed = usedMiB >= (wasPressed ? clearMiB : memoryMiB * settings.pressureShare);
    if (instance.isPressed) this.#evict(instance, usedMiB - clearMiB, undefined);
    else if (wasPressed) {
      wakes.byInstance(instance);
      pools.toRefill.add(instance);
    }
    // Those who counted on its room need other room.
    if (instance.isPressed !== wasPressed) wakes.supply = true;
    if (instance.isPressed !== wasPressed) pools.wantRefill();
  }

  /** A container's limit was raised while it ran. It is counted with it as far as there is room, for which idle ones go. */
  resized(instanceId: InstanceId, containerId: ContainerId, limitMiB: number): void {
    const container = this.#parts.pools.inventory.containerOf(instanceId, containerId);
    if (container === undefined || container.functionKey === undefined) return;
    const isPackedByLimit = container.memoryMiB >= container.limitMiB;
    container.limitMiB = limitMiB;
    if (!isPackedByLimit || limitMiB <= container.memoryMiB) return;
    const { instance } = container;
    const missingMiB = limitMiB - container.memoryMiB - instance.freeMemoryMiB - instance.leavingMemoryMiB;
    this.#evict(instance, missingMiB, container);
    instance.resize(container, Math.min(limitMiB, container.memoryMiB + Math.max(0, instance.freeMemoryMiB)));
  }

  /**
   * As many idle and blank containers as it takes; all of them where that is not enough. What is held ready goes last, and
   * not for the sake of one that grows.
   * @param spared not among them, for it grows.
   */
  #evict(instance: Instance, neededMiB: number, spared: Container | undefined): void {
    if (neededMiB <= 0) return;
    const { pools, worthOf } = this.#parts;
    const withHeld = spared === undefined;
    const all = [...instance.containers.values()].filter(
      (each) =>
        each.state === "blank" || (each.state === "idle" && each !== spared && (withHeld || each.holder === undefined)),
    );
    for (const container of evict(instance, undefined, neededMiB, worthOf, withHeld) ?? all) {
      if (container !== spared) pools.destroy(container, "the instance's memory is nearly used up");
    }
  }
}
