import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UIDS_PER_CONTAINER } from "../../host/oci/oci-config.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import { CONTAINERS_PER_INSTANCE_MAX } from "../../protocol/agent-config.ts";
import { SLOTS_MAX } from "./address-range.ts";

/** Above the ranges that distributions give to users and to systemd's own containers. */
export const UID_BASE = 0x40000000;
const UIDS_PER_INSTANCE = CONTAINERS_PER_INSTANCE_MAX * UIDS_PER_CONTAINER;

/**
 * First host uid of an instance.
 * @param seed belongs to the data directory, so that servers on one host seldom share uids.
 */
export function uidBaseOf(seed: number, slot: number): number {
  return UID_BASE + ((seed + slot) % SLOTS_MAX) * UIDS_PER_INSTANCE;
}

/** What is recorded of an instance. */
export type SlotRecord = {
  readonly slot: number;
  /** As it was ordered: what is promised, whatever is used of it. */
  readonly shape: Shape;
  /** Milliseconds since the epoch. */
  readonly launchedMs: number;
};

/** For records of a version that kept no shape: their instances end soon, as all of an earlier server do. */
const UNKNOWN = { shape: { memoryMiB: 0, cpuMilli: 0 }, launchedMs: 0 };

/**
 * Numbers of the instances that exist. From its number follow an instance's addresses and uids.
 * Each is recorded in the instance's folder before anything is made with it, so that a later
 * server knows which are taken.
 */
export class InstanceSlots {
  readonly #directory: string;
  readonly #records = new Map<string, SlotRecord>();

  /** @param isAlive whether the instance still has a control group; records of others are removed. */
  constructor(directory: string, isAlive: (instanceId: string) => boolean) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const instanceId of readdirSync(directory)) {
      const record = isAlive(instanceId) ? readRecord(this.directoryOf(instanceId)) : undefined;
      if (record === undefined) this.give(instanceId);
      else this.#records.set(instanceId, record);
    }
  }

  /** The instance's folder on disk. */
  directoryOf(instanceId: string): string {
    return join(this.#directory, instanceId);
  }

  slotOf(instanceId: string): number | undefined {
    return this.#records.get(instanceId)?.slot;
  }

  /** Of those that exist, and those that are being made. */
  entries(): readonly (SlotRecord & { readonly instanceId: InstanceId })[] {
    return [...this.#records].map(([instanceId, record]) => ({ instanceId: instanceId as InstanceId, ...record }));
  }

  /** @throws Error when all are taken, or the instance has one. */
  take(instanceId: string, shape: Shape): number {
    if (this.#records.has(instanceId)) throw new Error(`instance ${instanceId} exists`);
    const taken = new Set([...this.#records.values()].map((record) => record.slot));
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    if (slot >= SLOTS_MAX) throw new Error(`a host holds at most ${SLOTS_MAX} instances`);
    mkdirSync(this.directoryOf(instanceId), { mode: 0o700 });
    const record = { slot, shape, launchedMs: Date.now() };
    try {
      writeFileSync(recordIn(this.directoryOf(instanceId)), JSON.stringify(record));
    } catch (error) {
      this.give(instanceId); // A full disk.
      throw error;
    }
    this.#records.set(instanceId, record);
    return slot;
  }

  /** Removes the record and the folder. Idempotent. */
  give(instanceId: string): void {
    rmSync(this.directoryOf(instanceId), { recursive: true, force: true });
    this.#records.delete(instanceId);
  }
}

function readRecord(directory: string): SlotRecord | undefined {
  try {
    const record: Partial<SlotRecord> = JSON.parse(readFileSync(recordIn(directory), "utf8"));
    return typeof record.slot === "number" ? { ...UNKNOWN, ...record, slot: record.slot } : undefined;
  } catch {
    return undefined; // Cut off by a crash, before anything was made with the number.
  }
}

function recordIn(directory: string): string {
  return join(directory, "instance.json");
}
