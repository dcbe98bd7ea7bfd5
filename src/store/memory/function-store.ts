import type { AccountId } from "../../model/ids.ts";
import type { AliasRecord } from "../../ports/alias-catalog.ts";
import type { FunctionRecord, PublishedRecord } from "../../ports/function-catalog.ts";
import type { FunctionStore } from "../../ports/function-store.ts";

/** A function with what hangs on it. */
type Stored = {
  readonly record: FunctionRecord;
  readonly versions: Map<string, PublishedRecord>;
  readonly aliases: Map<string, AliasRecord>;
};

export function createMemoryFunctionStore(): FunctionStore {
  const functions = new Map<string, Stored>();
  const find = (accountId: AccountId, name: string) => functions.get(`${accountId}/${name}`);
  const put = (record: FunctionRecord) => {
    const { versions = new Map(), aliases = new Map() } = find(record.accountId, record.name) ?? {};
    functions.set(`${record.accountId}/${record.name}`, { record: structuredClone(record), versions, aliases });
  };
  return {
    load: async () => {
      const all = [...functions.values()];
      return structuredClone({
        functions: all.map(({ record }) => record),
        versions: all.flatMap(({ versions }) => [...versions.values()]),
        aliases: all.flatMap(({ aliases }) => [...aliases.values()]),
      });
    },
    put: async (record) => put(record),
    putVersion: async (version, record) => {
      put(record);
      find(record.accountId, record.name)?.versions.set(version.version, structuredClone(version));
    },
    delete: async (accountId, name) => void functions.delete(`${accountId}/${name}`),
    deleteVersion: async (version, record) => {
      put(record);
      find(record.accountId, record.name)?.versions.delete(version);
    },
    putAlias: async (record) =>
      void find(record.accountId, record.name)?.aliases.set(record.alias, structuredClone(record)),
    deleteAlias: async (alias, record) => {
      put(record);
      find(record.accountId, record.name)?.aliases.delete(alias);
    },
  };
}
