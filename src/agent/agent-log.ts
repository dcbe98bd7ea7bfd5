import { writeSync } from "node:fs";

export type LogLevel = "info" | "warn" | "error";

/** The agent's own log (not the functions'): one JSON object per line on standard error. */
export type AgentLog = (level: LogLevel, message: string, fields?: object) => void;

const STDERR = 2;

export function createAgentLog(instanceId: string): AgentLog {
  return (level, message, fields) => {
    const line = JSON.stringify({ level, time: Date.now(), instanceId, msg: message, ...fields });
    try {
      writeSync(STDERR, `${line}\n`);
    } catch {
      // Whoever read the log is gone (a server that was killed); the agent outlives it.
    }
  };
}

/** The sentence of a caught value. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
