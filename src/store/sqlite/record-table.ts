import type { RecordTable } from "../../ports/record-table.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";

/** Records as JSON; those of all kinds share one table. Members that were undefined are absent, which reads the same. */
export function recordTableOf<T>(worker: SqliteWorker, kind: string): RecordTable<T> {
  return {
    load: async () => (await worker.run("loadRecords", kind)).map((row): T => JSON.parse(row["record"] as string) as T),
    put: async (id, record) => {
      await worker.run("putRecord", kind, id, JSON.stringify(record));
    },
    delete: async (id) => {
      await worker.run("deleteRecord", kind, id);
    },
  };
}
