/**
 * The name of a container's log stream, as Lambda makes it: the day on which it became the function's, the version, and 32
 * hex digits of its own.
 * @param functionName stands before the version, in a log group that functions may share. undefined: in the function's own.
 */
export function logStreamName(version: string, hex: string, nowMs: number, functionName = ""): string {
  const day = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "/");
  return `${day}/${functionName}[${version}]${hex}`;
}

const FUNCTION_STREAM = /^\d{4}\/\d\d\/\d\d\/([A-Za-z0-9_-]+)\[/;

/** The function that a log stream's name names. undefined: none, as in a function's own log group. */
export function functionOfLogStream(logStream: string): string | undefined {
  return FUNCTION_STREAM.exec(logStream)?.[1];
}

/** What may be a log group's name in a message of an agent, which is what CloudWatch allows. */
export const LOG_GROUP_NAME = /^[.\-_/#A-Za-z0-9]{1,512}$/;

/** What may be a log stream's name in a message of an agent. */
export const LOG_STREAM_NAME = /^[\x21-\x7e]{1,512}$/;
