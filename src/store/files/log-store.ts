import { mkdir } from "node:fs/promises";
import type { AccountId } from "../../model/ids.ts";
import type { LogStore } from "../../ports/log-store.ts";
import { LogFile, logFileName } from "./log-file.ts";

/** How long a line may wait in memory before it is written. */
const FLUSH_INTERVAL_MS = 100;
/** A function that has this much waiting is written at once. */
const FLUSH_BYTES = 64 * 1024;
/** What one function may have waiting; more is dropped (the disk is slower than the function writes). */
const PENDING_BYTES_MAX = 1024 * 1024;
/** What all functions together may have waiting. */
const PENDING_BYTES_TOTAL_MAX = 32 * 1024 * 1024;
/** Files written at the same time, which bounds the open files too. */
const WRITES_AT_ONCE_MAX = 8;
/** Kept per function: the current file and one before it, each this large at most. */
const FILE_BYTES_MAX = 10 * 1024 * 1024;

/**
 * Keeps each function's log in append-only files below `dir`, one folder per account.
 *
 * A line that cannot be kept (disk full, or written faster than the disk takes it) is lost and
 * counted in `lostBytes`; nothing else suffers. `onLost` is told once per spell of losses.
 */
export class FilesLogStore implements LogStore {
  /** Bytes of log that could not be kept since the start. */
  lostBytes = 0;
  readonly #dir: string;
  readonly #onLost: (why: string) => void;
  readonly #fileBytesMax: number;
  /** Functions with something pending, being written, or followed. All others need no memory. */
  readonly #functions = new Map<string, FunctionLog>();
  #pendingBytes = 0;
  #isLosing = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #freeWrites = WRITES_AT_ONCE_MAX;
  readonly #waitingWrites: (() => void)[] = [];

  /** @param options.onLost called when a spell of losses begins, with its cause, for the server's own log. */
  constructor(options: { dir: string; onLost?: (why: string) => void; fileBytesMax?: number }) {
    this.#dir = options.dir;
    this.#onLost = options.onLost ?? (() => {});
    this.#fileBytesMax = options.fileBytesMax ?? FILE_BYTES_MAX;
  }

  append(accountId: AccountId, functionName: string, text: string | Buffer): void {
    const log = this.#functionLog(accountId, functionName);
    for (const onText of log.followers) onText(typeof text === "string" ? Buffer.from(text) : text);
    const bytes = Buffer.byteLength(text);
    if (log.pendingBytes + bytes > PENDING_BYTES_MAX || this.#pendingBytes + bytes > PENDING_BYTES_TOTAL_MAX) {
      this.#lose(bytes, "log lines come faster than the disk takes them");
      return;
    }
    log.pending.push(text);
    log.pendingBytes += bytes;
    this.#pendingBytes += bytes;
    if (log.pendingBytes >= FLUSH_BYTES && log.writingBytes === 0) void this.#flush(log);
    else this.#armTimer();
  }

  /** Exactly what was appended before the call: with `follow` in the same turn nothing is missed or doubled. */
  tail(accountId: AccountId, functionName: string, bytesMax: number): Promise<Buffer> {
    const log = this.#functionLog(accountId, functionName);
    void this.#flush(log);
    return this.#inOrder(log, () => log.file.tail(bytesMax));
  }

  follow(accountId: AccountId, functionName: string, onText: (text: Buffer) => void): () => void {
    const log = this.#functionLog(accountId, functionName);
    const follower = (text: Buffer) => onText(text);
    log.followers.add(follower);
    return () => {
      log.followers.delete(follower);
      this.#forgetIfIdle(log);
    };
  }

  remove(accountId: AccountId, functionName: string): Promise<void> {
    const log = this.#functionLog(accountId, functionName);
    void this.#flush(log);
    return this.#inOrder(log, () => log.file.remove());
  }

  async close(): Promise<void> {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    await Promise.all([...this.#functions.values()].map((log) => this.#flush(log)));
  }

  #functionLog(accountId: AccountId, functionName: string): FunctionLog {
    const key = `${accountId}/${functionName}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const path = `${this.#dir}/${accountId}/${logFileName(functionName)}`;
    const log: FunctionLog = {
      key,
      file: new LogFile(path, this.#fileBytesMax),
      pending: [],
      writingBytes: 0,
      pendingBytes: 0,
      followers: new Set(),
      operations: 0,
      lastOperation: Promise.resolve(),
    };
    this.#functions.set(key, log);
    return log;
  }

  #armTimer(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      for (const log of this.#functions.values()) if (log.writingBytes === 0) void this.#flush(log);
    }, FLUSH_INTERVAL_MS);
  }

  /** Writes what is pending at the call. Never rejects: what cannot be written is lost. */
  #flush(log: FunctionLog): Promise<void> {
    if (log.pending.length === 0) return log.lastOperation;
    const bytes = joined(log.pending);
    log.pending = [];
    log.writingBytes += bytes.length;
    return this.#inOrder(log, async () => {
      try {
        await log.file.append(bytes);
        this.#isLosing = false;
      } catch (error) {
        this.#lose(bytes.length, (error as Error).message);
      } finally {
        log.writingBytes -= bytes.length;
        log.pendingBytes -= bytes.length;
        this.#pendingBytes -= bytes.length;
        if (log.pending.length > 0) this.#armTimer();
      }
    });
  }

  #lose(bytes: number, why: string): void {
    this.lostBytes += bytes;
    if (!this.#isLosing) this.#onLost(why);
    this.#isLosing = true;
  }

  /** Runs the operations on one file one after another, and few at once over all files. */
  #inOrder<T>(log: FunctionLog, operation: () => Promise<T>): Promise<T> {
    log.operations++;
    const result = log.lastOperation.then(async () => {
      await this.#takeWrite();
      try {
        return await operation();
      } finally {
        this.#giveWrite();
      }
    });
    const settled = () => {
      log.operations--;
      this.#forgetIfIdle(log);
    };
    log.lastOperation = result.then(settled, settled);
    return result;
  }

  async #takeWrite(): Promise<void> {
    if (this.#freeWrites > 0) this.#freeWrites--;
    else await new Promise<void>((resolve) => this.#waitingWrites.push(resolve));
  }

  #giveWrite(): void {
    const next = this.#waitingWrites.shift();
    if (next === undefined) this.#freeWrites++;
    else next();
  }

  #forgetIfIdle(log: FunctionLog): void {
    const isIdle = log.operations === 0 && log.pendingBytes === 0 && log.followers.size === 0;
    if (isIdle && this.#functions.get(log.key) === log) this.#functions.delete(log.key);
  }
}

/** Encodes neighbouring strings together: there are two for each invocation, and one of thousands is much cheaper. */
function joined(pieces: readonly (string | Buffer)[]): Buffer {
  const buffers: Buffer[] = [];
  let text = "";
  for (const piece of pieces) {
    if (typeof piece === "string") text += piece;
    else {
      if (text !== "") buffers.push(Buffer.from(text));
      text = "";
      buffers.push(piece);
    }
  }
  if (text !== "") buffers.push(Buffer.from(text));
  return buffers.length === 1 ? (buffers[0] as Buffer) : Buffer.concat(buffers);
}

type FunctionLog = {
  readonly key: string;
  readonly file: LogFile;
  /** Not yet given to a write. */
  pending: (string | Buffer)[];
  /** Given to a write that has not ended. */
  writingBytes: number;
  /** Both together, which is what the memory bounds count. */
  pendingBytes: number;
  readonly followers: Set<(text: Buffer) => void>;
  /** How many operations wait or run. */
  operations: number;
  /** Settles, never rejects, when they are done. */
  lastOperation: Promise<void>;
};

/** Makes the folder and the store in it. */
export async function openFilesLogStore(options: {
  dir: string;
  onLost?: (why: string) => void;
}): Promise<FilesLogStore> {
  await mkdir(options.dir, { recursive: true });
  return new FilesLogStore(options);
}
