import type { TableSourceRecord } from "../../ports/table-source.ts";
import type { TakenRow } from "./queue-table.ts";

/** A row as functions get it: what they know of SQS, so that the same handlers and libraries do. */
export type TableRecord = ReturnType<typeof tableRecordOf>;

export function tableRecordOf(row: TakenRow, { name, schema, table }: TableSourceRecord) {
  return {
    messageId: row.id,
    body: row.body ?? "",
    attributes: {
      ApproximateReceiveCount: String(row.attempts),
      SentTimestamp: String(Math.floor(row.createdMs)),
    },
    messageAttributes: {},
    eventSource: "hearth:postgresql",
    sourceName: name,
    tableName: `${schema}.${table}`,
  };
}
