import type { CostRow } from "../../model/cost.ts";
import type { AccountId } from "../../model/ids.ts";
import { CAPACITY_CHANGES_KEPT, type CapacityChange } from "../../ports/capacity-change.ts";
import type { HostRecord, HostStore, JoinTokenRecord } from "../../ports/remote-host.ts";
import { SIZING_CHANGES_KEPT, type SizingChange, scopeKeyOf } from "../../ports/sizing-change.ts";
import type { SizingStore, StoredSize } from "../../ports/sizing-store.ts";
import type { AccessKey, AccountRecord, Store } from "../../ports/store.ts";
import { createMemoryFunctionStore } from "./function-store.ts";
import {
  createMemoryEventInvokeConfigStore,
  createMemoryEventStore,
  createMemoryScheduleStore,
} from "./memory-event-store.ts";
import { createMemoryRecordTable } from "./record-table.ts";

/** A store that forgets everything when the process ends. For tests, the simulator and trials. */
export function createMemoryStore(): Store {
  const accounts = new Map<string, AccountRecord>();
  const keys = new Map<string, AccessKey>();
  const capacityChanges = new Map<AccountId, CapacityChange[]>();
  const costs = new Map<string, CostRow>();
  const meta = new Map<string, string>();
  const schedules = createMemoryScheduleStore();
  return {
    events: createMemoryEventStore(schedules),
    schedules,
    functions: createMemoryFunctionStore(),
    eventInvokeConfigs: createMemoryEventInvokeConfigStore(),
    hosts: createMemoryHostStore(),
    sizing: createMemorySizingStore(),
    layers: createMemoryRecordTable(),
    policies: createMemoryRecordTable(),
    functionUrls: createMemoryRecordTable(),
    eventSources: createMemoryRecordTable(),
    logGroups: createMemoryRecordTable(),
    tableSources: createMemoryRecordTable(),
    iamRoles: createMemoryRecordTable(),
    iamPolicies: createMemoryRecordTable(),
    loadAccounts: async () => [...accounts.values()],
    putAccount: async (account) => void accounts.set(account.accountId, account),
    loadAccessKeys: async () => [...keys.values()],
    putAccessKey: async (key) => void keys.set(key.accessKeyId, key),
    deleteAccessKey: async (accessKeyId) => void keys.delete(accessKeyId),
    loadCapacities: async () =>
      [...capacityChanges.values()].flatMap(([latest]) => (latest === undefined ? [] : [structuredClone(latest)])),
    capacityChanges: async (accountId) => structuredClone(capacityChanges.get(accountId) ?? []),
    putCapacity: async (change) => {
      const changes = [structuredClone(change), ...(capacityChanges.get(change.accountId) ?? [])];
      capacityChanges.set(change.accountId, changes.slice(0, CAPACITY_CHANGES_KEPT));
    },
    loadCosts: async (fromDay, toDay) =>
      [...costs.entries()]
        .filter(([, { day }]) => day >= fromDay && day <= toDay)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, row]) => row),
    addCosts: async (rows) => {
      for (const row of rows) costs.set(keyOfCost(row), sumOf(row, costs.get(keyOfCost(row))));
    },
    deleteCosts: async (beforeDay) => {
      for (const [key, { day }] of costs) if (day < beforeDay) costs.delete(key);
    },
    meta: async (name) => meta.get(name),
    putMeta: async (name, value) => void meta.set(name, value),
    close: async () => {},
  };
}

/** Sorts as the rows are promised to come. */
function keyOfCost({ day, accountId = "" as AccountId, functionName = "", subPool }: CostRow): string {
  return [day, accountId, functionName, subPool].join("\0");
}

function createMemoryHostStore(): HostStore {
  const hosts = new Map<string, HostRecord>();
  const tokens = new Map<string, JoinTokenRecord>();
  return {
    loadHosts: async () => structuredClone([...hosts.values()]),
    putHost: async (host) => void hosts.set(host.hostId, structuredClone(host)),
    deleteHost: async (hostId) => void hosts.delete(hostId),
    loadJoinTokens: async () => structuredClone([...tokens.values()]),
    putJoinToken: async (token) => void tokens.set(token.secretSha256Hex, structuredClone(token)),
    deleteJoinToken: async (secretSha256Hex) => void tokens.delete(secretSha256Hex),
  };
}

function createMemorySizingStore(): SizingStore {
  const changes = new Map<string, SizingChange[]>();
  const sizes = new Map<string, string>();
  return {
    loadSettings: async () =>
      [...changes.values()].flatMap(([latest]) => (latest === undefined ? [] : [structuredClone(latest)])),
    changes: async (scope) => structuredClone(changes.get(scopeKeyOf(scope)) ?? []),
    putSettings: async (change) => {
      const key = scopeKeyOf(change.scope);
      const all = [structuredClone(change), ...(changes.get(key) ?? [])];
      changes.set(key, all.slice(0, SIZING_CHANGES_KEPT));
    },
    loadSizes: async () => [...sizes.values()].map((json) => JSON.parse(json) as StoredSize),
    putSizes: async (put) => {
      for (const size of put) {
        sizes.delete(size.key);
        sizes.set(size.key, JSON.stringify(size));
      }
    },
    deleteSizes: async (keys) => {
      for (const key of keys) sizes.delete(key);
    },
  };
}

function sumOf(row: CostRow, before: CostRow | undefined): CostRow {
  if (before === undefined) return { ...row };
  return {
    ...row,
    invocations: before.invocations + row.invocations,
    busyMs: before.busyMs + row.busyMs,
    runUsd: before.runUsd + row.runUsd,
    heldMs: before.heldMs + row.heldMs,
    heldUsd: before.heldUsd + row.heldUsd,
    fixedUsd: before.fixedUsd + row.fixedUsd,
  };
}
