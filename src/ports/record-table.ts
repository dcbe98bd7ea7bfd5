/**
 * Records of one kind, stored as a whole and by their ids: few, read at the start and kept in memory. Every promise
 * resolves once the change survives a crash; rejects with HearthError STORE_FAILED.
 */
export type RecordTable<T> = {
  load(): Promise<T[]>;
  /** Inserts or replaces. */
  put(id: string, record: T): Promise<void>;
  /** Idempotent. */
  delete(id: string): Promise<void>;
};
