import type { LogGroups } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";

/** What functions wrote, whatever log groups it is in: to whoever asks for a function's log, and not for a group's. */
export function functionLogReader(
  logs: Pick<LogStore, "tail" | "follow">,
  groups: Pick<LogGroups, "logNamesOf">,
): Pick<LogStore, "tail" | "follow"> {
  return {
    tail: (accountId, functionName, bytesMax) =>
      logs.tail(accountId, functionName, bytesMax, groups.logNamesOf(accountId, functionName)),
    follow: (accountId, functionName, onText) => logs.follow(accountId, functionName, onText),
  };
}
