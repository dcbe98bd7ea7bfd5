import type { AccountId } from "../model/ids.ts";
import type { ContainerSnapshot, InstanceSnapshot, PoolsSnapshot, WaitEntry } from "../model/snapshot.ts";
import type { Held } from "./admission/deferral.ts";
import { byHead, type Waiting } from "./admission/wait-queue.ts";
import type { Waits } from "./admission/waits.ts";
import type { Container, Instance } from "./pool/instance.ts";
import type { Pools } from "./pool/pools.ts";

/** Copies where everything is into plain data, which the caller may keep. */
export function snapshot(pools: Pools, waits: Waits, nowMs: number): PoolsSnapshot {
  const oldestSinceMs = waits.queue.oldestSinceMs();
  return {
    nowMs,
    instances: [...pools.inventory.instances.values()].map(ofInstance),
    waiting: {
      count: waits.length,
      heldCount: waits.deferral.length,
      ...(oldestSinceMs === undefined ? {} : { oldestSinceMs }),
    },
    counters: { ...pools.counters },
  };
}

/** Those that wait, line by line with the best head first, then those that are held; at most `count`. */
export function waitEntries(waits: Waits, accountId: AccountId | undefined, count: number): WaitEntry[] {
  const entries: WaitEntry[] = [];
  let place = 0;
  const add = (entry: Waiting | Held) => {
    place++;
    const { invocation, sinceMs } = entry;
    if (entries.length >= count || (accountId !== undefined && invocation.accountId !== accountId)) return;
    const { id: invocationId, functionKey, mode, deadlineMs } = invocation;
    entries.push({
      invocationId,
      accountId: invocation.accountId,
      functionKey,
      mode,
      sinceMs,
      place,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      waitsFor: waits.causesOf(entry),
    });
  };
  for (const line of [...waits.queue.lines()].sort(byHead)) for (const entry of line.entries()) add(entry);
  for (const held of waits.deferral.entries()) add(held);
  return entries;
}

function ofInstance(instance: Instance): InstanceSnapshot {
  const { id, subPool, source, place, accountId, shape, freeMemoryMiB, sinceMs, isAtRisk, endsAtMs } = instance;
  return {
    id,
    subPool,
    offerId: source.id,
    state: place,
    ...(isAtRisk ? { isAtRisk } : {}),
    ...(endsAtMs === undefined ? {} : { endsAtMs }),
    ...(accountId === undefined ? {} : { accountId }),
    shape,
    usedMemoryMiB: shape.memoryMiB - freeMemoryMiB,
    sinceMs,
    containers: [...instance.containers.values()].map(ofContainer),
  };
}

function ofContainer({ id, runtime, state, functionKey, memoryMiB, lease, sinceMs }: Container): ContainerSnapshot {
  return {
    id,
    runtime,
    state,
    ...(functionKey === undefined ? {} : { functionKey }),
    memoryMiB,
    ...(lease === undefined ? {} : { invocationId: lease.invocation.id }),
    sinceMs,
  };
}
