import type { ContainerSnapshot, InstanceSnapshot, PoolCounters, PoolsSnapshot } from "../model/snapshot.ts";
import type { WaitQueue } from "./admission/wait-queue.ts";
import type { Container, Instance } from "./pool/instance.ts";
import type { Inventory } from "./pool/inventory.ts";

/** Copies where everything is into plain data, which the caller may keep. */
export function snapshot(inventory: Inventory, queue: WaitQueue, counters: PoolCounters, nowMs: number): PoolsSnapshot {
  const oldestSinceMs = queue.oldestSinceMs();
  return {
    nowMs,
    instances: [...inventory.instances.values()].map(ofInstance),
    waiting: { count: queue.length, ...(oldestSinceMs === undefined ? {} : { oldestSinceMs }) },
    counters: { ...counters },
  };
}

function ofInstance(instance: Instance): InstanceSnapshot {
  const { id, subPool, offerId, place, accountId, shape, freeMemoryMiB, sinceMs } = instance;
  return {
    id,
    subPool,
    offerId,
    state: place,
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
