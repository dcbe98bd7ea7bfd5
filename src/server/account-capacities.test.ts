// biome-ignore-all lint/style/noRestrictedImports: tested on a real store.
import { expect, test } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { AccountCapacities } from "./account-capacities.ts";

const accountId = "111111111111" as AccountId;
const mixed: CapacitySettings = { ...DEFAULT_CAPACITY, class: "mixed" };
const dedicated: CapacitySettings = { ...DEFAULT_CAPACITY, class: "dedicated", dedicatedInstances: 2 };

function capacitiesOn(store = createMemoryStore()) {
  const told: [AccountId, CapacitySettings][] = [];
  const lines: object[] = [];
  let nowMs = 0;
  const capacities = new AccountCapacities({
    store,
    clock: { nowMs: () => ++nowMs, monotonicMs: () => 0 },
    log: { debug() {}, info: (fields) => void lines.push(fields), warn() {}, error() {} },
    onChange: (id, capacity) => void told.push([id, capacity]),
  });
  return { store, capacities, told, lines };
}

test("a change is stored, logged with who made it, told, and there after a restart", async () => {
  const { store, capacities, told, lines } = capacitiesOn();
  expect(capacities.of(accountId)).toEqual(DEFAULT_CAPACITY);
  await Promise.all([capacities.set(accountId, mixed, "AKIA1"), capacities.set(accountId, dedicated, "AKIA2")]);
  expect(capacities.of(accountId)).toEqual(dedicated);
  expect(told).toEqual([
    [accountId, mixed],
    [accountId, dedicated],
  ]);
  const first = { accountId, changedBy: "AKIA1", before: DEFAULT_CAPACITY, after: mixed };
  const second = { accountId, changedBy: "AKIA2", before: mixed, after: dedicated };
  expect(lines).toEqual([first, second]);
  expect(await capacities.changes(accountId)).toEqual([
    { ...second, changedMs: 2 },
    { ...first, changedMs: 1 },
  ]);

  const restarted = capacitiesOn(store);
  await restarted.capacities.load();
  expect(restarted.capacities.of(accountId)).toEqual(dedicated);
  expect(restarted.told).toEqual([[accountId, dedicated]]);
});

test("what could not be stored is not in force, and does not hold up the next change", async () => {
  const store = createMemoryStore();
  const put = store.putCapacity;
  let isFull = true;
  const { capacities, told, lines } = capacitiesOn({
    ...store,
    putCapacity: async (change) => {
      if (isFull) throw new Error("disk full");
      await put(change);
    },
  });
  await expect(capacities.set(accountId, mixed, "AKIA1")).rejects.toThrow("disk full");
  expect([capacities.of(accountId), told, lines]).toEqual([DEFAULT_CAPACITY, [], []]);
  isFull = false;
  await capacities.set(accountId, dedicated, "AKIA1");
  expect(lines).toMatchObject([{ before: DEFAULT_CAPACITY }]);
});
