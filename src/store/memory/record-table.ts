import type { RecordTable } from "../../ports/record-table.ts";

export function createMemoryRecordTable<T>(): RecordTable<T> {
  const records = new Map<string, T>();
  return {
    load: async () => structuredClone([...records.values()]),
    put: async (id, record) => void records.set(id, structuredClone(record)),
    delete: async (id) => void records.delete(id),
  };
}
