import type { SizingKey } from "../model/sizing.ts";
import type { ServerSizingScope, SizingChange } from "./sizing-change.ts";

/** What was learned of one function version, as the core wants it back. */
export type StoredSize = {
  readonly key: SizingKey;
  /** Plain JSON. */
  readonly record: unknown;
  /** When each of the record's decisions was made, by the host's clock; as many. */
  readonly decidedMs: readonly number[];
};

/** What was said and learned of sizes. @see Store for what its promises mean. */
export type SizingStore = {
  /** The latest change of every scope that has any. */
  loadSettings(): Promise<SizingChange[]>;
  /** Newest first; at most SIZING_CHANGES_KEPT. */
  changes(scope: ServerSizingScope): Promise<SizingChange[]>;
  putSettings(change: SizingChange): Promise<void>;
  /** In the order in which they were last put. */
  loadSizes(): Promise<StoredSize[]>;
  /** Inserts or replaces, all or none. */
  putSizes(sizes: readonly StoredSize[]): Promise<void>;
  /** Idempotent. */
  deleteSizes(keys: readonly SizingKey[]): Promise<void>;
};
