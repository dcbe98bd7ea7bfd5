import type { AccountId } from "../model/ids.ts";

/** What the owner of a function says about the asynchronous invocations of one of its qualifiers. */
export type EventInvokeConfig = {
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST`, a version or an alias. */
  readonly qualifier: string;
  readonly lastModifiedMs: number;
  /** undefined: Lambda's default. */
  readonly retriesMax: number | undefined;
  readonly ageMsMax: number | undefined;
  /** ARNs or URLs, see `parseDestination`. */
  readonly onSuccess: string | undefined;
  readonly onFailure: string | undefined;
};

/** What of it a change may state. */
export type EventInvokeSettings = Pick<EventInvokeConfig, "retriesMax" | "ageMsMax" | "onSuccess" | "onFailure">;

/** Event-invoke configs as they are kept; promises as those of `Store`. */
export type EventInvokeConfigStore = {
  load(): Promise<EventInvokeConfig[]>;
  /** Inserts or replaces, by account, function and qualifier. */
  put(config: EventInvokeConfig): Promise<void>;
  /** Idempotent. @param qualifier undefined: all of the function. */
  delete(accountId: AccountId, functionName: string, qualifier: string | undefined): Promise<void>;
};

/** The event-invoke configs of all functions: in memory for reading, written through. Promises reject with HearthError STORE_FAILED. */
export type EventInvokeConfigs = {
  get(accountId: AccountId, functionName: string, qualifier: string): EventInvokeConfig | undefined;
  /** In the order of their qualifiers. */
  list(accountId: AccountId, functionName: string): EventInvokeConfig[];
  /** Replaces the whole config. */
  put(
    accountId: AccountId,
    functionName: string,
    qualifier: string,
    settings: EventInvokeSettings,
  ): Promise<EventInvokeConfig>;
  /** Replaces what the change states. @returns undefined: there is none. */
  update(
    accountId: AccountId,
    functionName: string,
    qualifier: string,
    change: Partial<EventInvokeSettings>,
  ): Promise<EventInvokeConfig | undefined>;
  /** @returns false: there is none. */
  delete(accountId: AccountId, functionName: string, qualifier: string): Promise<boolean>;
};
