import type { HostRecord, HostStore, JoinTokenRecord } from "../../ports/remote-host.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";
import type { Row } from "./statement.ts";

/** Hosts and join tokens, as JSON by their ids: few, and read as a whole at the start. */
export function hostStoreOf(worker: SqliteWorker): HostStore {
  return {
    loadHosts: async () => (await worker.run("loadHosts")).map((row) => recordOf<HostRecord>(row)),
    putHost: async (host) => {
      await worker.run("putHost", host.hostId, JSON.stringify(host));
    },
    deleteHost: async (hostId) => {
      await worker.run("deleteHost", hostId);
    },
    loadJoinTokens: async () => (await worker.run("loadJoinTokens")).map((row) => recordOf<JoinTokenRecord>(row)),
    putJoinToken: async (token) => {
      await worker.run("putJoinToken", token.secretSha256Hex, JSON.stringify(token));
    },
    deleteJoinToken: async (secretSha256Hex) => {
      await worker.run("deleteJoinToken", secretSha256Hex);
    },
  };
}

/** Members that were undefined are absent, which reads the same. */
function recordOf<T>(row: Row): T {
  return JSON.parse(row["record"] as string) as T;
}
