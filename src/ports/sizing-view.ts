import type { AccountId } from "../model/ids.ts";
import type { SizeStory } from "../model/size-story.ts";
import type { SizingDecision, SizingKey, SizingScope, SizingSettings } from "../model/sizing.ts";
import type { FunctionDescription } from "./function-catalog.ts";
import type { SizingChange, SizingSaid } from "./sizing-change.ts";

/** What sizes were learned and why, and what may be done with them. The admin API shows it. */
export type SizingView = {
  /**
   * The functions with what is known of their sizes, by account and name, one entry for each version that has run.
   * @param accountId of whom; undefined: of all.
   * @param after `next` of the page before; undefined: from the beginning.
   * @param countMax of functions.
   * @throws HearthError STORE_FAILED.
   */
  list(accountId: AccountId | undefined, after: string | undefined, countMax: number): Promise<SizingPage>;
  /** @returns undefined: there is no such function. */
  find(accountId: AccountId, functionName: string): readonly SizedVersionView[] | undefined;
  /** @returns undefined: there is no such function or account. @throws HearthError STORE_FAILED. */
  settingsOf(scope: SizingScope): Promise<ScopeSettings | undefined>;
  /**
   * Replaces what the scope says. In force for containers that are made once the promise resolves.
   * @param changedBy see `SizingChange`.
   * @returns false: there is no such function or account.
   * @throws HearthError STORE_FAILED; nothing has changed then.
   */
  setSettings(scope: SizingScope, said: SizingSaid, changedBy: string): Promise<boolean>;
  isStopped(): boolean;
  /** Stops sizing for everybody, or lets it go on. @throws HearthError STORE_FAILED; nothing has changed then. */
  stop(isStopped: boolean, changedBy: string): Promise<void>;
  /** What a new container of that version gets. Constant time. */
  effectiveMemoryMiB(description: FunctionDescription): number;
};

/** The answer of `GET /_hearth/sizing`. */
export type SizingPage = {
  readonly isStopped: boolean;
  readonly versions: readonly SizedVersionView[];
  /** More functions follow: ask again with this; absent: these were the last. */
  readonly next?: string;
};

/** One function version with its size. */
export type SizedVersionView = Omit<SizeStory, "decisions"> & {
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST` or a number as text. */
  readonly version: string;
  /** Absent: it has not run, and nothing is known of it. */
  readonly key?: SizingKey;
  /** Of memory that a container is reckoned with; below 0: it has grown. */
  readonly savedMiB: number;
  readonly settings: SizingSettings;
  /** The newest last. */
  readonly decisions: readonly StampedDecision[];
};

/** When the decision was made, by the host's clock. */
export type StampedDecision = SizingDecision & { readonly decidedMs: number };

/** Where the value of a setting comes from. */
export type SizingOrigin = "function" | "account" | "default" | "stopped";

/** What a scope says and what follows from it. */
export type ScopeSettings = {
  readonly said: SizingSaid;
  /** What would hold if the scope said nothing. */
  readonly inherited: SizingSettings;
  readonly settings: SizingSettings;
  readonly origins: Readonly<Record<keyof SizingSettings, SizingOrigin>>;
  /** Newest first. */
  readonly changes: readonly SizingChange[];
};
