import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UIDS_PER_CONTAINER } from "../../host/oci/oci-config.ts";
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

/**
 * Numbers of the instances that exist. From its number follow an instance's addresses and uids.
 * Each is recorded in the instance's folder before anything is made with it, so that a later
 * server knows which are taken.
 */
export class InstanceSlots {
  readonly #directory: string;
  readonly #slots = new Map<string, number>();

  /** @param isAlive whether the instance still has a control group; records of others are removed. */
  constructor(directory: string, isAlive: (instanceId: string) => boolean) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const instanceId of readdirSync(directory)) {
      const slot = isAlive(instanceId) ? readSlot(this.directoryOf(instanceId)) : undefined;
      if (slot === undefined) this.give(instanceId);
      else this.#slots.set(instanceId, slot);
    }
  }

  /** The instance's folder on disk. */
  directoryOf(instanceId: string): string {
    return join(this.#directory, instanceId);
  }

  slotOf(instanceId: string): number | undefined {
    return this.#slots.get(instanceId);
  }

  /** @throws Error when all are taken, or the instance has one. */
  take(instanceId: string): number {
    if (this.#slots.has(instanceId)) throw new Error(`instance ${instanceId} exists`);
    const taken = new Set(this.#slots.values());
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    if (slot >= SLOTS_MAX) throw new Error(`a host holds at most ${SLOTS_MAX} instances`);
    mkdirSync(this.directoryOf(instanceId), { mode: 0o700 });
    writeFileSync(recordIn(this.directoryOf(instanceId)), JSON.stringify({ slot }));
    this.#slots.set(instanceId, slot);
    return slot;
  }

  /** Removes the record and the folder. Idempotent. */
  give(instanceId: string): void {
    rmSync(this.directoryOf(instanceId), { recursive: true, force: true });
    this.#slots.delete(instanceId);
  }
}

function readSlot(directory: string): number | undefined {
  try {
    const record: { slot?: unknown } = JSON.parse(readFileSync(recordIn(directory), "utf8"));
    return typeof record.slot === "number" ? record.slot : undefined;
  } catch {
    return undefined; // Cut off by a crash, before anything was made with the number.
  }
}

function recordIn(directory: string): string {
  return join(directory, "instance.json");
}
