import { parseDurationMs } from "./duration.ts";

/** How far away the deadline of an invocation may be. */
export const DELAY_MS_MAX = 7 * 86_400_000;

/** The tag of a function whose invocations are not time-sensitive: how long after its arrival each must be done. */
export const DEADLINE_TAG = "hearth:deadline";

/** What is wrong with a tag that `deadlineAfterMsOf` does not understand, and what to write instead. */
export const DEADLINE_TAG_RULE = "is no length of time. Write it like 30m or 2h, more than 0 and up to 7d.";

/** What a function's tags say about the deadline of its invocations; undefined: nothing that can be understood. */
export function deadlineAfterMsOf(tags: Readonly<Record<string, string>>): number | undefined {
  const ms = parseDurationMs(tags[DEADLINE_TAG] ?? "");
  return ms !== undefined && ms > 0 && ms <= DELAY_MS_MAX ? ms : undefined;
}
