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
  return countIn(inventory, subPool) < warmingTarget[subPool];
}

/** @returns a warming instance above the target that has waited for `surplusMs`, or undefined. */
export function surplusIn(
  inventory: Inventory,
  subPool: SubPool,
  settings: Settings,
  nowMs: number,
): Instance | undefined {
  if (countIn(inventory, subPool) <= settings.warmingTarget[subPool]) return undefined;
  for (const instance of inventory.at("warming")) {
    if (instance.subPool === subPool && nowMs - instance.sinceMs >= settings.instanceIdleMs) return instance;
  }
  return undefined;
}

function countIn(inventory: Inventory, subPool: SubPool): number {
  let count = 0;
  for (const instance of inventory.at("warming")) if (instance.subPool === subPool) count++;
  for (const instance of inventory.at("launching")) if (instance.subPool === subPool) count++;
  return count;
}
