/**
 * The name of a container's log stream, as Lambda makes it: the day on which it became the function's, the version, and 32
 * hex digits of its own.
 */
export function logStreamName(version: string, hex: string, nowMs: number): string {
  const day = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "/");
  return `${day}/[${version}]${hex}`;
}

/** What may be a log stream's name in a message of an agent. */
export const LOG_STREAM_NAME = /^[\x21-\x7e]{1,512}$/;
