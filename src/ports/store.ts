import type { CostRow } from "../model/cost.ts";
import type { AccountId } from "../model/ids.ts";
import type { CapacityChange } from "./capacity-change.ts";
import type { EventInvokeConfigStore } from "./event-invoke-config.ts";
import type { EventSourceRecord } from "./event-source.ts";
import type { EventStore } from "./event-store.ts";
import type { FunctionStore } from "./function-store.ts";
import type { FunctionUrl } from "./function-urls.ts";
import type { IamPolicy, IamRole } from "./iam-entities.ts";
import type { LayerRecord } from "./layer-catalog.ts";
import type { LogGroup } from "./log-groups.ts";
import type { RecordTable } from "./record-table.ts";
import type { HostStore } from "./remote-host.ts";
import type { PolicyRecord } from "./resource-policies.ts";
import type { ScheduleStore } from "./schedule.ts";
import type { SizingStore } from "./sizing-store.ts";
import type { TableSourceRecord } from "./table-source.ts";

/** An account as it is stored. */
export type AccountRecord = {
  readonly accountId: AccountId;
  readonly name: string;
  readonly createdMs: number;
};

/** A credential of an account. The secret is needed in clear: signatures are checked with it. */
export type AccessKey = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly accountId: AccountId;
};

/**
 * What survives a crash. Every promise resolves once the change is on disk, and changes are applied
 * in the order of the calls. Rejects with HearthError STORE_FAILED; nothing of that call is kept then.
 */
export type Store = {
  readonly events: EventStore;
  readonly functions: FunctionStore;
  readonly eventInvokeConfigs: EventInvokeConfigStore;
  readonly hosts: HostStore;
  readonly schedules: ScheduleStore;
  readonly sizing: SizingStore;
  readonly layers: RecordTable<LayerRecord>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly functionUrls: RecordTable<FunctionUrl>;
  readonly eventSources: RecordTable<EventSourceRecord>;
  readonly logGroups: RecordTable<LogGroup>;
  readonly tableSources: RecordTable<TableSourceRecord>;
  readonly iamRoles: RecordTable<IamRole>;
  readonly iamPolicies: RecordTable<IamPolicy>;
  loadAccounts(): Promise<AccountRecord[]>;
  putAccount(account: AccountRecord): Promise<void>;
  loadAccessKeys(): Promise<AccessKey[]>;
  putAccessKey(key: AccessKey): Promise<void>;
  /** Idempotent. */
  deleteAccessKey(accessKeyId: string): Promise<void>;
  /** The latest change of every account that has any: what the settings are. */
  loadCapacities(): Promise<CapacityChange[]>;
  /** Newest first; at most CAPACITY_CHANGES_KEPT. */
  capacityChanges(accountId: AccountId): Promise<CapacityChange[]>;
  putCapacity(change: CapacityChange): Promise<void>;
  /** Rows of these days (`2026-11-21`), both included, in the order of day, account, function. */
  loadCosts(fromDay: string, toDay: string): Promise<CostRow[]>;
  /** Adds the figures to those of the same day, account, function and sub-pool; all rows or none. */
  addCosts(rows: readonly CostRow[]): Promise<void>;
  /** Removes the rows of earlier days. */
  deleteCosts(beforeDay: string): Promise<void>;
  /** Small facts of the server itself, such as its secret; undefined when never put. */
  meta(name: string): Promise<string | undefined>;
  putMeta(name: string, value: string): Promise<void>;
  /** Finishes what was asked for and lets go of the data directory. */
  close(): Promise<void>;
};
