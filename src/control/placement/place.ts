import type { SubPool } from "../../model/instance.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Container, Instance } from "../pool/instance.ts";
import type { Inventory } from "../pool/inventory.ts";

/**
 * Chooses the container for an invocation: an idle one of its function, most recently used first
 * (its caches are warmest, and the others can age out); else a blank one of its runtime on one of the
 * account's instances with room to grow; else a blank one on a warming instance of the sub-pool,
 * which then becomes the account's. Among equals the tightest fit wins (it leaves the large gaps for
 * large functions), then the smallest id, so that a run replays. See docs/design/0002-placement.md.
 *
 * @returns undefined when nothing can take it at once.
 */
export function place(inventory: Inventory, invocation: Invocation, subPool: SubPool): Container | undefined {
  const idle = inventory.idleOf(invocation.functionKey);
  if (idle.length > 0) return idle[idle.length - 1];
  return (
    tightestBlank(inventory.activeOf(invocation.accountId), invocation) ??
    tightestBlank(inventory.at("warming"), invocation, subPool)
  );
}

function tightestBlank(
  instances: Iterable<Instance>,
  { runtime, memoryMiB }: Invocation,
  subPool?: SubPool,
): Container | undefined {
  let best: Instance | undefined;
  let bestBlank: Container | undefined;
  for (const instance of instances) {
    if (subPool !== undefined && instance.subPool !== subPool) continue;
    const blanks = instance.blanks[runtime];
    const blank = blanks[blanks.length - 1];
    if (blank === undefined || instance.freeMemoryMiB + blank.memoryMiB < memoryMiB) continue;
    if (best !== undefined && !isTighter(instance, best)) continue;
    best = instance;
    bestBlank = blank;
  }
  return bestBlank;
}

export function isTighter(a: Instance, b: Instance): boolean {
  if (a.freeMemoryMiB !== b.freeMemoryMiB) return a.freeMemoryMiB < b.freeMemoryMiB;
  return a.id < b.id;
}
