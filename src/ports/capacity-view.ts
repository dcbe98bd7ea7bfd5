import type { CapacitySettings } from "../model/capacity.ts";
import type { CostRow } from "../model/cost.ts";
import type { Explanation } from "../model/explanation.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { WaitEntry } from "../model/snapshot.ts";
import type { CapacityChange } from "./capacity-change.ts";

/** What capacity serves whom, and why: settings, waits, explanations, costs. The admin API shows it. */
export type CapacityView = {
  /** @returns undefined: there is no such account. @throws HearthError STORE_FAILED. */
  capacityOf(accountId: AccountId): Promise<AccountCapacity | undefined>;
  /**
   * In force once the promise resolves; what waits is tried again by the new settings.
   * @param changedBy see `CapacityChange`.
   * @returns false: there is no such account.
   * @throws HearthError STORE_FAILED; nothing has changed then.
   */
  setCapacity(accountId: AccountId, capacity: CapacitySettings, changedBy: string): Promise<boolean>;
  /** @param accountId of whom; undefined: of all. @param countMax of entries, those that are tried first. */
  waits(accountId: AccountId | undefined, countMax: number): WaitsAnswer;
  /** @returns undefined: it was never heard of, too long ago, or before the server started. */
  explain(id: InvocationId): Explanation | undefined;
  /** Of these days, both included. @param accountId of whom; undefined: of all. @throws HearthError STORE_FAILED. */
  costs(accountId: AccountId | undefined, fromDay: string, toDay: string): Promise<readonly CostRow[]>;
  /** What a GiB-hour of fixed capacity costs now; undefined: no fixed offer has a price and none was set. */
  fixedUsdPerGiBHour(): number | undefined;
};

/** The settings of one account with their history. */
export type AccountCapacity = {
  readonly capacity: CapacitySettings;
  /** Newest first. */
  readonly changes: readonly CapacityChange[];
};

/** The answer of `/_hearth/waits`. */
export type WaitsAnswer = {
  /** By the clock of the entries. */
  readonly nowMs: number;
  readonly entries: readonly WaitEntry[];
  /** More wait than the answer has entries. */
  readonly hasMore: boolean;
};

/** The answer of `/_hearth/costs`. */
export type CostsAnswer = {
  readonly from: string;
  readonly to: string;
  readonly fixedUsdPerGiBHour?: number;
  /** Summed over the days, or by day when asked for; the dearest first. */
  readonly rows: readonly CostSum[];
  /** Rows beyond the bound of an answer. */
  readonly omittedRows: number;
};

/** A cost row of one day, or the sum of several; without an account: nobody's instances, without a function: instances. */
export type CostSum = Omit<CostRow, "day" | "accountId" | "functionName"> & {
  readonly day?: string;
  readonly accountId?: AccountId;
  readonly functionName?: string;
};
