import type { EventInvokeConfig, EventInvokeConfigStore } from "../../ports/event-invoke-config.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";

/** Event-invoke configs, as JSON by their keys: few, and read as a whole at the start. */
export function eventInvokeConfigStoreOf(worker: SqliteWorker): EventInvokeConfigStore {
  return {
    load: async () =>
      (await worker.run("loadEventInvokeConfigs")).map(
        (row) => JSON.parse(row["record"] as string) as EventInvokeConfig,
      ),
    put: async (config) => {
      const { accountId, functionName, qualifier } = config;
      await worker.run("putEventInvokeConfig", accountId, functionName, qualifier, JSON.stringify(config));
    },
    delete: async (accountId, functionName, qualifier) => {
      await worker.run("deleteEventInvokeConfig", accountId, functionName, qualifier ?? null);
    },
  };
}
