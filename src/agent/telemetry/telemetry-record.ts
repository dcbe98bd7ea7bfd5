/** What an extension can subscribe to. */
export const TELEMETRY_STREAMS = ["platform", "function", "extension"] as const;
export type TelemetryStream = (typeof TELEMETRY_STREAMS)[number];

/** One event as subscribers get it; `platform.*` are records of ours, the others a line of somebody's log. */
export type TelemetryRecord = {
  /** ISO 8601 with milliseconds. */
  readonly time: string;
  readonly type: string;
  readonly record: unknown;
};

export function streamOf({ type }: TelemetryRecord): TelemetryStream {
  return type === "function" || type === "extension" ? type : "platform";
}
