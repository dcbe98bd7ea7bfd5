import { z } from "zod";
import { TIME_ZONE_REMEDY } from "../../model/time-zone.ts";
import type { ScheduleSettings } from "../../ports/schedule.ts";
import { faultOf, told, unexplainedIn } from "./document-fault.ts";
import { functionName, oneOf, qualifier } from "./member-schema.ts";

const EXPRESSION_LENGTH_MAX = 256;
const TIMEZONE_LENGTH_MAX = 64;
const INPUT_BYTES_MAX = 1_048_576;

/** Whether expression and time zone mean something is the schedules' own to say. */
const scheduleSchema = z.strictObject(
  {
    expression: z
      .string("is no expression; write it like rate(5 minutes), cron(0 9 ? * MON-FRI *) or at(2026-12-24T18:00:00)")
      .max(EXPRESSION_LENGTH_MAX, `is too long; an expression has at most ${EXPRESSION_LENGTH_MAX} characters`),
    timezone: z.string(TIME_ZONE_REMEDY).max(TIMEZONE_LENGTH_MAX, TIME_ZONE_REMEDY).default("UTC"),
    functionName,
    qualifier: qualifier.optional(),
    /** Any JSON; absent: EventBridge's scheduled event. */
    input: z
      .unknown()
      .transform((value) => (value === undefined ? undefined : JSON.stringify(value)))
      .refine(
        (json) => json === undefined || Buffer.byteLength(json) <= INPUT_BYTES_MAX,
        `is too large; give at most ${INPUT_BYTES_MAX} bytes of JSON`,
      )
      .optional(),
    onMissed: oneOf(["latest", "skip"], "policy").default("latest"),
  },
  {
    // Of unknown members the reader is told which.
    error: ({ code }) =>
      code === "unrecognized_keys"
        ? undefined
        : 'is no schedule; write it like {"expression": "rate(5 minutes)", "functionName": "poll"}',
  },
);

export type ScheduleInput =
  | { readonly kind: "settings"; readonly settings: ScheduleSettings }
  /** Names every field that is wrong, what is wrong with it, and what to write instead. */
  | { readonly kind: "refused"; readonly message: string };

/** Parses what somebody wants of a schedule. */
export function parseSchedule(json: unknown): ScheduleInput {
  const parsed = scheduleSchema.safeParse(json, { error: unexplainedIn("docs/event-sources.md") });
  if (!parsed.success) {
    return { kind: "refused", message: told(parsed.error.issues.map((issue) => faultOf(json, issue))) };
  }
  const { data } = parsed;
  return { kind: "settings", settings: { ...data, qualifier: data.qualifier, input: data.input } };
}
