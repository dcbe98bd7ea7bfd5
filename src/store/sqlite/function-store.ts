import type { AliasRecord } from "../../ports/alias-catalog.ts";
import type { FunctionRecord, PublishedRecord } from "../../ports/function-catalog.ts";
import type { FunctionStore } from "../../ports/function-store.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";
import type { StatementCall, StatementName } from "./statement.ts";

/** Functions with their versions and aliases, as JSON by their names: read as a whole at the start. */
export function functionStoreOf(worker: SqliteWorker): FunctionStore {
  const loadRecords = async <T>(name: StatementName) =>
    (await worker.run(name)).map((row) => JSON.parse(row["record"] as string) as T);
  return {
    load: async () => {
      const [functions, versions, aliases] = await Promise.all([
        loadRecords<FunctionRecord>("loadFunctions"),
        loadRecords<PublishedRecord>("loadVersions"),
        loadRecords<AliasRecord>("loadAliases"),
      ]);
      return { functions: functions.map(completed), versions, aliases };
    },
    put: async (record) => {
      await worker.runAll([putFunction(record)]);
    },
    putVersion: async (version, record) => {
      const { accountId, name } = version;
      const parameters = [accountId, name, Number(version.version), JSON.stringify(version)];
      await worker.runAll([putFunction(record), { name: "putVersion", parameters }]);
    },
    delete: async (accountId, name) => {
      await worker.run("deleteFunction", accountId, name);
    },
    deleteVersion: async (version, record) => {
      const parameters = [record.accountId, record.name, Number(version)];
      await worker.runAll([putFunction(record), { name: "deleteVersion", parameters }]);
    },
    putAlias: async (record) => {
      await worker.run("putAlias", record.accountId, record.name, record.alias, JSON.stringify(record));
    },
    deleteAlias: async (alias, record) => {
      const parameters = [record.accountId, record.name, alias];
      await worker.runAll([putFunction(record), { name: "deleteAlias", parameters }]);
    },
  };
}

function putFunction(record: FunctionRecord): StatementCall {
  return { name: "putFunction", parameters: [record.accountId, record.name, JSON.stringify(record)] };
}

/** Records of before there were versions lack what came with them. */
function completed(record: FunctionRecord): FunctionRecord {
  return {
    ...record,
    version: "$LATEST",
    buildId: record.buildId ?? record.revisionId,
    lastVersion: record.lastVersion ?? 0,
  };
}
