import { fstatSync, ftruncateSync, writeSync } from "node:fs";

export type LogLevel = "info" | "warn" | "error";

/** The agent's own log (not the functions'): one JSON object per line on standard error. */
export type AgentLog = (level: LogLevel, message: string, fields?: object) => void;

const STDERR = 2;
/** Where standard error is a file (an instance may live for months), it begins anew at this size. */
export const LOG_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** @param fd a pipe, or a file opened for appending. */
export function createAgentLog(instanceId: string, fd = STDERR): AgentLog {
  return (level, message, fields) => {
    const line = JSON.stringify({ level, time: Date.now(), instanceId, msg: message, ...fields });
    try {
      if (fstatSync(fd).size > LOG_FILE_BYTES_MAX) ftruncateSync(fd); // A pipe has no size.
      writeSync(fd, `${line}\n`);
    } catch {
      // Whoever read the log is gone (a server that was killed); the agent outlives it.
    }
  };
}

/** The sentence of a caught value. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
