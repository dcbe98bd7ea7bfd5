import type { AccountId } from "../model/ids.ts";

/** A line of a function's log, or a message of several. */
export type LogEvent = {
  /** Of the container that wrote it, as Lambda names log streams. */
  readonly stream: string;
  readonly atMs: number;
  /** Among the events of the log at the same time, from 0 on: with the time it is an event's name, and its place. */
  readonly ordinal: number;
  /** Without the end of its last line. */
  readonly text: string;
};

/**
 * Where the functions' log lines go: a log for each log group, named by `logNameOf` of src/ports/log-groups.ts, which is by
 * the function's name for a function's own. Appending never blocks an invocation.
 */
export type LogStore = {
  /**
   * @param stream that wrote it: neither spaces nor line ends. A line may come in pieces, if they are of one stream. What
   * wrote it is the function that the stream's name names (src/protocol/log-stream.ts); if none, the one that the log is
   * named for.
   * @param text each line is an event, but for those of a `logMessage` of src/protocol/log-message.ts.
   */
  append(accountId: AccountId, logName: string, stream: string, text: string | Buffer): void;
  /**
   * The last `bytesMax` bytes that a function wrote, as text for people, cut at a line's beginning; empty if there are none.
   * @param logNames in which it is looked for, and what others wrote there left out. Absent: all of the function's own log.
   */
  tail(accountId: AccountId, functionName: string, bytesMax: number, logNames?: readonly string[]): Promise<Buffer>;
  /**
   * Tells what was appended before the call, from `fromMs` on, oldest first, until `onEvent` answers false. Events are in
   * the order of the appends, which is that of time unless the clock was set back.
   */
  read(accountId: AccountId, logName: string, fromMs: number, onEvent: (event: LogEvent) => boolean): Promise<void>;
  /** Calls `onText` for what the function writes from now on, to any log. @returns stop. */
  follow(accountId: AccountId, functionName: string, onText: (text: Buffer) => void): () => void;
  remove(accountId: AccountId, logName: string): Promise<void>;
  /** Writes out what is buffered. */
  close(): Promise<void>;
};
