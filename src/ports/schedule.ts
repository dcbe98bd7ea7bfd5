import type { AccountId } from "../model/ids.ts";

/** What happens to ticks at which no server ran: the latest is made up for, or none is. */
export type MissedPolicy = "latest" | "skip";

/** What its owner decides about a schedule. */
export type ScheduleSettings = {
  /** `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)` or `at(2026-12-24T18:00:00)`, as EventBridge takes them. */
  readonly expression: string;
  /** IANA name; of cron and at expressions. */
  readonly timezone: string;
  readonly functionName: string;
  /** A version or an alias; undefined: unqualified. */
  readonly qualifier: string | undefined;
  /** JSON that the function gets; undefined: EventBridge's scheduled event. */
  readonly input: string | undefined;
  readonly onMissed: MissedPolicy;
};

/** A schedule as it is stored. */
export type ScheduleRecord = ScheduleSettings & {
  readonly accountId: AccountId;
  /** Unique in its account. */
  readonly name: string;
  readonly isPaused: boolean;
  /** Ticks of a rate are counted from here. */
  readonly createdMs: number;
  /** The tick that was done last, or since when ticks count; by the host's clock. */
  readonly lastTickMs: number;
};

/** A schedule as its owner sees it. */
export type ScheduleDescription = ScheduleRecord & {
  /** undefined: paused, or there is none any more. */
  readonly nextTickMs: number | undefined;
};

/** One tick of a schedule; recorded in the same step as the event that it makes. */
export type ScheduleTick = { readonly accountId: AccountId; readonly name: string; readonly tickMs: number };

/** The schedules of all accounts. Promises reject with HearthError STORE_FAILED. */
export type Schedules = {
  /** Creates or replaces. @returns a sentence when the settings are not valid. */
  put(accountId: AccountId, name: string, settings: ScheduleSettings): Promise<ScheduleDescription | string>;
  list(accountId: AccountId): ScheduleDescription[];
  /** Ticks that pass while it is paused are not missed. @returns undefined: there is none. */
  pause(accountId: AccountId, name: string, isPaused: boolean): Promise<ScheduleDescription | undefined>;
  /** @returns false: there was none. */
  delete(accountId: AccountId, name: string): Promise<boolean>;
};

/** Schedules as they are kept; promises as those of `Store`. */
export type ScheduleStore = {
  load(): Promise<ScheduleRecord[]>;
  /** Inserts or replaces, by account and name. */
  put(record: ScheduleRecord): Promise<void>;
  /** Records a tick for which no event is made. */
  skip(tick: ScheduleTick): Promise<void>;
  /** Idempotent. */
  delete(accountId: AccountId, name: string): Promise<void>;
};
