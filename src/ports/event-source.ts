import type { AccountId } from "../model/ids.ts";

/** Where the records of a mapping come from. */
export type EventSourceOrigin = { readonly kind: "sqs"; readonly arn: string };

/** What its owner decides about a mapping, whatever its source is. */
export type EventSourceSettings = {
  readonly functionName: string;
  /** A version or an alias; undefined: unqualified. */
  readonly qualifier: string | undefined;
  readonly isEnabled: boolean;
  /** Records of one invocation, at most. */
  readonly batchSize: number;
  /** How long records are collected for one. */
  readonly windowMs: number;
  /** Patterns in EventBridge's syntax; a record that fits none is dropped. Empty: all fit. */
  readonly filters: readonly string[];
  /** Whether the function's answer tells which records of a batch failed. */
  readonly reportsItemFailures: boolean;
  /** Invocations at a time; undefined: the server's own bound. */
  readonly concurrencyMax: number | undefined;
};

/** By their keys; of its owner, and of no meaning here. */
export type EventSourceTags = Readonly<Record<string, string>>;

/** A mapping as it is stored. */
export type EventSourceRecord = EventSourceSettings & {
  readonly uuid: string;
  readonly accountId: AccountId;
  readonly origin: EventSourceOrigin;
  readonly tags: EventSourceTags;
  readonly lastModifiedMs: number;
};

/** Lambda's states of a mapping. */
export type EventSourceState = "Creating" | "Enabling" | "Enabled" | "Disabling" | "Disabled" | "Updating" | "Deleting";

/** A mapping as callers see it now. */
export type EventSourceDescription = EventSourceRecord & {
  readonly state: EventSourceState;
  /** Whose doing the state is; what is wrong with the source while it cannot be read. */
  readonly stateReason: string;
  /** `OK`, or `PROBLEM: …`; undefined: nothing was read yet. */
  readonly lastResult: string | undefined;
};

/** What became of a change of a mapping. `busy`: another change of it is under way. */
export type EventSourceAnswer =
  | { readonly kind: "done"; readonly description: EventSourceDescription }
  | { readonly kind: "missing" | "busy" }
  /** A mapping of the same source and function is there. */
  | { readonly kind: "exists"; readonly uuid: string }
  /** The source itself is not as it must be; `says`: Lambda's sentence. */
  | { readonly kind: "unusable"; readonly says: string };

/** The mappings of all accounts. Promises reject with HearthError STORE_FAILED. */
export type EventSources = {
  /** Whether a text is a filter. */
  isPattern(text: string): boolean;
  create(
    accountId: AccountId,
    origin: EventSourceOrigin,
    settings: EventSourceSettings,
    tags: EventSourceTags,
  ): Promise<EventSourceAnswer>;
  get(accountId: AccountId, uuid: string): EventSourceDescription | undefined;
  /** In the order of their ids. */
  list(accountId: AccountId): EventSourceDescription[];
  update(accountId: AccountId, uuid: string, change: Partial<EventSourceSettings>): Promise<EventSourceAnswer>;
  /** All of a mapping's tags. @returns false: there is no such mapping. */
  setTags(accountId: AccountId, uuid: string, tags: EventSourceTags): Promise<boolean>;
  /** It is gone when what it runs has ended. */
  delete(accountId: AccountId, uuid: string): Promise<EventSourceAnswer>;
};
