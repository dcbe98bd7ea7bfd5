/**
 * A line of the platform's own in the log of a function that logs as JSON: a record of Lambda's telemetry (Telemetry API,
 * event schema reference).
 *
 * @param type with `platform.` before it.
 */
export function platformLine(type: string, record: object): string {
  return `${JSON.stringify({ time: new Date().toISOString(), type, record })}\n`;
}
