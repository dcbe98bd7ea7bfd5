import type { Clock } from "../../ports/clock.ts";
import type { LogGroups } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { JsonService } from "../aws/json-service.ts";
import { eventOperations } from "./event-operations.ts";
import { GroupNames } from "./group-names.ts";
import { groupOperations } from "./group-operations.ts";

export type LogsServiceOptions = {
  readonly groups: LogGroups;
  readonly logs: Pick<LogStore, "read">;
  readonly clock: Clock;
  readonly region: string;
};

/** CloudWatch Logs (2014-03-28), as far as it is about what functions write. */
export function logsService({ groups, logs, clock, region }: LogsServiceOptions): JsonService {
  const names = new GroupNames(region);
  return {
    target: "Logs_20140328",
    inputError: "InvalidParameterException",
    operations: { ...groupOperations(groups, names), ...eventOperations({ groups, logs, names, clock }) },
  };
}
