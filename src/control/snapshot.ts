import type { AccountId, InvocationId } from "../model/ids.ts";
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
    const isOther = accountId !== undefined && entry.invocation.accountId !== accountId;
    if (entries.length < count && !isOther) entries.push(ofEntry(entry, place, waits));
  };
  for (const line of [...waits.queue.lines()].sort(byHead)) for (const entry of line.entries()) add(entry);
  for (const held of waits.deferral.entries()) add(held);
  return entries;
}

/** The entry of one invocation; undefined: it neither waits nor is held. */
export function waitEntryOf(waits: Waits, id: InvocationId): WaitEntry | undefined {
  const entry = waits.find(id);
  if (entry === undefined) return undefined;
  let place = 1;
  for (const line of [...waits.queue.lines()].sort(byHead)) {
    for (const each of line.entries()) {
      if (each === entry) return ofEntry(entry, place, waits);
      place++;
    }
  }
  for (const held of waits.deferral.entries()) {
    if (held === entry) break;
    place++;
  }
  return ofEntry(entry, place, waits);
}

function ofEntry(entry: Waiting | Held, place: number, waits: Waits): WaitEntry {
  const { invocation, sinceMs } = entry;
  const { id: invocationId, accountId, functionKey, mode, deadlineMs } = invocation;
  const deadline = deadlineMs === undefined ? {} : { deadlineMs };
  return { invocationId, accountId, functionKey, mode, sinceMs, place, ...deadline, waitsFor: waits.causesOf(entry) };
}

function ofInstance(instance: Instance): InstanceSnapshot {
  const { id, subPool, source, place, accountId, shape, freeMemoryMiB, sinceMs, isAtRisk, endsAtMs } = instance;
  return {
    id,
    subPool,
    offerId: source.id,
    state: place,
    ...(isAtRisk ? { isAtRisk } : {}),
    ...(instance.isPressed ? { isPressed: true } : {}),
    ...(endsAtMs === undefined ? {} : { endsAtMs }),
    ...(accountId === undefined ? {} : { accountId }),
    shape,
    usedMemoryMiB: shape.memoryMiB - freeMemoryMiB,
    sinceMs,
    containers: [...instance.containers.values()].map(ofContainer),
  };
}

function ofContainer({
  id,
  runtime,
  state,
  functionKey,
  memoryMiB,
  limitMiB,
  lease,
  holder,
  sinceMs,
}: Container): ContainerSnapshot {
  return {
    id,
    runtime,
    state,
    ...(functionKey === undefined ? {} : { functionKey }),
    memoryMiB,
    ...(limitMiB === memoryMiB ? {} : { limitMiB }),
    ...(holder === undefined ? {} : { isProvisioned: true }),
    ...(lease === undefined ? {} : { invocationId: lease.invocation.id }),
    sinceMs,
  };
}
