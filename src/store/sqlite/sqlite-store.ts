import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { CapacitySettings } from "../../model/capacity.ts";
import type { CostRow } from "../../model/cost.ts";
import { HearthError } from "../../model/error-code.ts";
import type { AccountId } from "../../model/ids.ts";
import { CAPACITY_CHANGES_KEPT, type CapacityChange } from "../../ports/capacity-change.ts";
import type { AccessKey, AccountRecord, Store } from "../../ports/store.ts";
import { eventInvokeConfigStoreOf } from "./event-invoke-config-store.ts";
import { eventStoreOf } from "./event-store.ts";
import { functionStoreOf } from "./function-store.ts";
import { hostStoreOf } from "./host-store.ts";
import { recordTableOf } from "./record-table.ts";
import { scheduleStoreOf } from "./schedule-store.ts";
import { sizingStoreOf } from "./sizing-store.ts";
import { SqliteWorker } from "./sqlite-worker.ts";
import type { Row } from "./statement.ts";

/** Name of the database in the data directory. */
export const DATABASE_FILE = "hearth.db";

/**
 * Opens the store of a data directory, makes it if there is none, and keeps other servers away from
 * it until `close` or the end of the process.
 * @throws HearthError DATA_IN_USE, STORE_NEWER, STORE_FAILED.
 */
export async function openSqliteStore(dataDir: string, onLost: (error: Error) => void = () => {}): Promise<Store> {
  const databasePath = join(dataDir, DATABASE_FILE);
  try {
    mkdirSync(dataDir, { recursive: true });
    // Holds secrets: made before SQLite makes it, for the owner alone. Its journal inherits the mode.
    closeSync(openSync(databasePath, "a", 0o600));
  } catch (error) {
    throw new HearthError("STORE_FAILED", (error as Error).message, { cause: error });
  }
  const worker = await SqliteWorker.open(databasePath, onLost);
  return {
    events: eventStoreOf(worker),
    functions: functionStoreOf(worker),
    eventInvokeConfigs: eventInvokeConfigStoreOf(worker),
    hosts: hostStoreOf(worker),
    schedules: scheduleStoreOf(worker),
    sizing: sizingStoreOf(worker),
    layers: recordTableOf(worker, "layer"),
    policies: recordTableOf(worker, "policy"),
    functionUrls: recordTableOf(worker, "functionUrl"),
    eventSources: recordTableOf(worker, "eventSource"),
    logGroups: recordTableOf(worker, "logGroup"),
    tableSources: recordTableOf(worker, "tableSource"),
    iamRoles: recordTableOf(worker, "iamRole"),
    iamPolicies: recordTableOf(worker, "iamPolicy"),
    loadAccounts: async () => (await worker.run("loadAccounts")) as unknown as AccountRecord[],
    putAccount: async (account) => {
      await worker.run("putAccount", account.accountId, account.name, account.createdMs);
    },
    loadAccessKeys: async () => (await worker.run("loadAccessKeys")) as unknown as AccessKey[],
    putAccessKey: async (key) => {
      await worker.run("putAccessKey", key.accessKeyId, key.secretAccessKey, key.accountId);
    },
    deleteAccessKey: async (accessKeyId) => {
      await worker.run("deleteAccessKey", accessKeyId);
    },
    loadCapacities: async () => (await worker.run("loadCapacities")).map(capacityChangeOf),
    capacityChanges: async (accountId) => (await worker.run("capacityChanges", accountId)).map(capacityChangeOf),
    putCapacity: async ({ accountId, changedMs, changedBy, before, after }) => {
      // Asked for in one turn, so that they are one transaction.
      await Promise.all([
        worker.run("putCapacity", accountId, changedMs, changedBy, JSON.stringify(before), JSON.stringify(after)),
        worker.run("trimCapacityChanges", accountId, CAPACITY_CHANGES_KEPT),
      ]);
    },
    loadCosts: async (fromDay, toDay) => (await worker.run("loadCosts", fromDay, toDay)).map(costRowOf),
    addCosts: async (rows) => {
      if (rows.length > 0) await worker.run("addCosts", JSON.stringify(rows.map(columnsOfCost)));
    },
    deleteCosts: async (beforeDay) => {
      await worker.run("deleteCosts", beforeDay);
    },
    meta: async (name) => (await worker.run("meta", name))[0]?.["value"] as string | undefined,
    putMeta: async (name, value) => {
      await worker.run("putMeta", name, value);
    },
    close: () => worker.close(),
  };
}

function capacityChangeOf(row: Row): CapacityChange {
  return {
    ...(row as unknown as CapacityChange),
    before: JSON.parse(row["before"] as string) as CapacitySettings,
    after: JSON.parse(row["after"] as string) as CapacitySettings,
  };
}

/** Nobody and no function are empty text in the table: NULL would not be unique in its key. */
function costRowOf(row: Row): CostRow {
  return {
    ...(row as unknown as CostRow),
    accountId: row["accountId"] === "" ? undefined : (row["accountId"] as AccountId),
    functionName: row["functionName"] === "" ? undefined : (row["functionName"] as string),
  };
}

function columnsOfCost(row: CostRow): (string | number)[] {
  const { day, accountId = "", functionName = "", subPool } = row;
  const { invocations, busyMs, runUsd, heldMs, heldUsd, fixedUsd } = row;
  return [day, accountId, functionName, subPool, invocations, busyMs, runUsd, heldMs, heldUsd, fixedUsd];
}
