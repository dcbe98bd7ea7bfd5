import type { AccountId } from "../model/ids.ts";

/** Where the functions' log lines go. Appending never blocks an invocation. */
export type LogStore = {
  append(accountId: AccountId, functionName: string, text: string | Buffer): void;
  /** The last `bytesMax` bytes of a function's log, cut at a line's beginning; empty if there is none. */
  tail(accountId: AccountId, functionName: string, bytesMax: number): Promise<Buffer>;
  /** Calls `onText` for what is appended from now on. @returns stop. */
  follow(accountId: AccountId, functionName: string, onText: (text: Buffer) => void): () => void;
  remove(accountId: AccountId, functionName: string): Promise<void>;
  /** Writes out what is buffered. */
  close(): Promise<void>;
};
