import type { ScheduleRecord, ScheduleStore } from "../../ports/schedule.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";

/** Schedules as JSON by their names, with the last tick beside it: that changes with the event that the tick makes. */
export function scheduleStoreOf(worker: SqliteWorker): ScheduleStore {
  return {
    load: async () =>
      (await worker.run("loadSchedules")).map((row) => ({
        ...(JSON.parse(row["record"] as string) as ScheduleRecord),
        lastTickMs: row["lastTickMs"] as number,
      })),
    put: async (record) => {
      await worker.run("putSchedule", record.accountId, record.name, JSON.stringify(record), record.lastTickMs);
    },
    skip: async ({ accountId, name, tickMs }) => {
      await worker.run("tickSchedule", accountId, name, tickMs);
    },
    delete: async (accountId, name) => {
      await worker.run("deleteSchedule", accountId, name);
    },
  };
}
