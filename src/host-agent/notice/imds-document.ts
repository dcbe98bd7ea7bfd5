import { z } from "zod";

/** What EC2 gives between notice and interruption; never more. */
const NOTICE_MS_MAX = 120_000;

const instanceActionSchema = z.object({
  action: z.enum(["terminate", "stop", "hibernate"]),
  time: z.iso.datetime({ offset: true }),
});
const rebalanceSchema = z.object({ noticeTime: z.iso.datetime({ offset: true }) });

/**
 * @param nowMs the time by the clock that wrote `time`: the metadata service's own, where it says it.
 * @returns `leftMs` 0 to 120,000: a longer one is a wrong clock. Hibernation begins with the notice.
 * @throws Error: not what EC2 documents.
 */
export function parseInstanceAction(body: string, nowMs: number): { readonly action: string; readonly leftMs: number } {
  const { action, time } = instanceActionSchema.parse(parseJson(body));
  const leftMs = action === "hibernate" ? 0 : Math.min(Math.max(Date.parse(time) - nowMs, 0), NOTICE_MS_MAX);
  return { action, leftMs };
}

/** @returns since when, ISO 8601. @throws Error: not what EC2 documents. */
export function parseRebalance(body: string): string {
  return rebalanceSchema.parse(parseJson(body)).noticeTime;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Error(`the metadata service answers what is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
