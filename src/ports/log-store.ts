import type { AccountId } from "../model/ids.ts";

/** A line of a function's log, or a message of several. */
export type LogEvent = {
  /** Of the container that wrote it, as Lambda names log streams. */
  readonly stream: string;
  readonly atMs: number;
  /** Among the events of the function at the same time, from 0 on: with the time it is an event's name, and its place. */
  readonly ordinal: number;
  /** Without the end of its last line. */
  readonly text: string;
};

/** Where the functions' log lines go. Appending never blocks an invocation. */
export type LogStore = {
  /**
   * @param stream that wrote it: neither spaces nor line ends. A line may come in pieces, if they are of one stream.
   * @param text each line is an event, but for those of a `logMessage` of src/protocol/log-message.ts.
   */
  append(accountId: AccountId, functionName: string, stream: string, text: string | Buffer): void;
  /** The last `bytesMax` bytes of a function's log, as text for people, cut at a line's beginning; empty if there is none. */
  tail(accountId: AccountId, functionName: string, bytesMax: number): Promise<Buffer>;
  /**
   * Tells what was appended before the call, from `fromMs` on, oldest first, until `onEvent` answers false. Events are in
   * the order of the appends, which is that of time unless the clock was set back.
   */
  read(
    accountId: AccountId,
    functionName: string,
    fromMs: number,
    onEvent: (event: LogEvent) => boolean,
  ): Promise<void>;
  /** Calls `onText` for what is appended from now on. @returns stop. */
  follow(accountId: AccountId, functionName: string, onText: (text: Buffer) => void): () => void;
  remove(accountId: AccountId, functionName: string): Promise<void>;
  /** Writes out what is buffered. */
  close(): Promise<void>;
};
