import type { SubPool } from "../../model/instance.ts";
import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";
import type { Settings } from "../settings.ts";
import type { Instance } from "./instance.ts";
import type { Inventory } from "./inventory.ts";
import { canCreate } from "./supply.ts";

/**
 * Runtimes of which the instance lacks a blank container and can start one now. A warming instance
 * holds blanks of every runtime, because nobody knows who will take it; an active one only of the
 * runtimes that its account has used on it.
 */
export function missingBlanks(instance: Instance, settings: Settings, nowMs: number): RuntimeName | undefined {
  if (!canCreate(instance, settings, nowMs)) return undefined;
  for (const runtime of RUNTIMES) {
    const target = settings.blankTarget[runtime] ?? 0;
    const held = instance.blanks[runtime].length + instance.creatingCount[runtime];
    if (held >= target) continue;
    if (instance.place === "active" && !instance.usedRuntimes.has(runtime)) continue;
    return runtime;
  }
  return undefined;
}

/** @returns whether one more instance must be launched to bring the sub-pool to its target. */
export function isBelowTarget(inventory: Inventory, subPool: SubPool, settings: Settings): boolean {
  const { capacity, defaultShape, warmingTarget } = settings;
  if (inventory.takenMemoryMiB + defaultShape.memoryMiB > capacity.memoryMiB) return false;
  return countIn(inventory, subPool, settings) < warmingTarget[subPool];
}

/**
 * A warming instance to give up: one above the target, or one of another than the default shape. That was launched for
 * a large function; once nobody waits for it, it would hold the capacity of the instances that the target means.
 */
export function surplusIn(
  inventory: Inventory,
  subPool: SubPool,
  settings: Settings,
  nowMs: number,
): Instance | undefined {
  const isAbove = countIn(inventory, subPool, settings) > settings.warmingTarget[subPool];
  for (const instance of inventory.at("warming")) {
    if (instance.subPool !== subPool || nowMs - instance.sinceMs < settings.instanceIdleMs) continue;
    if (isAbove || !isDefault(instance, settings)) return instance;
  }
  return undefined;
}

function countIn(inventory: Inventory, subPool: SubPool, settings: Settings): number {
  let count = 0;
  for (const place of ["warming", "launching"] as const) {
    for (const instance of inventory.at(place)) {
      if (instance.subPool === subPool && isDefault(instance, settings)) count++;
    }
  }
  return count;
}

function isDefault({ shape }: Instance, { defaultShape }: Settings): boolean {
  return shape.memoryMiB === defaultShape.memoryMiB;
}
