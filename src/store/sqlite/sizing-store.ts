import type { SizingKey } from "../../model/sizing.ts";
import { SIZING_CHANGES_KEPT, type SizingChange, scopeKeyOf } from "../../ports/sizing-change.ts";
import type { SizingStore } from "../../ports/sizing-store.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";
import type { Row } from "./statement.ts";

/** Changes of settings by their scope, and what was learned by its key, all as JSON. */
export function sizingStoreOf(worker: SqliteWorker): SizingStore {
  return {
    loadSettings: async () => (await worker.run("loadSizingChanges")).map((row) => jsonIn<SizingChange>(row, "change")),
    changes: async (scope) =>
      (await worker.run("sizingChanges", scopeKeyOf(scope))).map((row) => jsonIn<SizingChange>(row, "change")),
    putSettings: async (change) => {
      const key = scopeKeyOf(change.scope);
      // Asked for in one turn, so that they are one transaction.
      await Promise.all([
        worker.run("putSizingChange", key, JSON.stringify(change)),
        worker.run("trimSizingChanges", key, SIZING_CHANGES_KEPT),
      ]);
    },
    loadSizes: async () =>
      (await worker.run("loadSizes")).map((row) => ({
        key: row["key"] as SizingKey,
        record: jsonIn(row, "record"),
        decidedMs: jsonIn<number[]>(row, "decidedMs"),
      })),
    putSizes: async (sizes) => {
      if (sizes.length > 0) await worker.run("putSizes", JSON.stringify(sizes));
    },
    deleteSizes: async (keys) => {
      if (keys.length > 0) await worker.run("deleteSizes", JSON.stringify(keys));
    },
  };
}

/** Members that were undefined are absent, which reads the same. */
function jsonIn<T>(row: Row, column: string): T {
  return JSON.parse(row[column] as string) as T;
}
