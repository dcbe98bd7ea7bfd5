import { mkdir } from "node:fs/promises";
import type { AccountId } from "../../model/ids.ts";
import type { LogEvent, LogStore } from "../../ports/log-store.ts";
import { plainLog } from "../../protocol/log-message.ts";
import { functionOfLogStream } from "../../protocol/log-stream.ts";
import { LogFile, type LogSnapshot, lastLines, logFileName } from "./log-file.ts";
import { encodeLog, type LogPiece, LogReader } from "./log-marks.ts";

/** How long a line may wait in memory before it is written. */
const FLUSH_INTERVAL_MS = 100;
/** A log that has this much waiting is written at once. */
const FLUSH_BYTES = 64 * 1024;
/** What one log may have waiting; more is dropped (the disk is slower than its functions write). */
const PENDING_BYTES_MAX = 1024 * 1024;
/** What all logs together may have waiting. */
const PENDING_BYTES_TOTAL_MAX = 32 * 1024 * 1024;
/** Files written at the same time, which bounds the open files too. */
const WRITES_AT_ONCE_MAX = 8;
/** Logs that are read for events at the same time. */
const READS_AT_ONCE_MAX = 4;
/** A clock that was set back by less stands still for the log, so that events stay in order. */
const SET_BACK_MS_MAX = 1000;
/** Kept per log: the current file and one before it, each this large at most. */
const FILE_BYTES_MAX = 10 * 1024 * 1024;

/**
 * Keeps each log in append-only files below `dir`, one folder per account.
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
  readonly #nowMs: () => number;
  /** Logs with something pending, being written, or followed. All others need no memory. */
  readonly #logs = new Map<string, OpenLog>();
  #pendingBytes = 0;
  /** Over all logs. */
  #followerCount = 0;
  #isLosing = false;
  #flushTimer: NodeJS.Timeout | undefined;
  readonly #writes = new Turns(WRITES_AT_ONCE_MAX);
  readonly #reads = new Turns(READS_AT_ONCE_MAX);
  #lastMs = 0;

  /** @param options.onLost called when a spell of losses begins, with its cause, for the server's own log. */
  constructor(options: { dir: string; onLost?: (why: string) => void; fileBytesMax?: number; nowMs?: () => number }) {
    this.#dir = options.dir;
    this.#onLost = options.onLost ?? (() => {});
    this.#fileBytesMax = options.fileBytesMax ?? FILE_BYTES_MAX;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  append(accountId: AccountId, logName: string, stream: string, text: string | Buffer): void {
    const log = this.#log(accountId, logName);
    // Hardly ever is there one, and there are two appends for each invocation.
    if (this.#followerCount > 0) this.#tellFollowers(accountId, functionOfLogStream(stream) ?? logName, text);
    const bytes = Buffer.byteLength(text);
    if (log.pendingBytes + bytes > PENDING_BYTES_MAX || this.#pendingBytes + bytes > PENDING_BYTES_TOTAL_MAX) {
      this.#lose(bytes, "log lines come faster than the disk takes them");
      return;
    }
    log.pending.push({ stream, atMs: this.#timeOf(), text });
    log.pendingBytes += bytes;
    this.#pendingBytes += bytes;
    if (log.pendingBytes >= FLUSH_BYTES && log.writingBytes === 0) void this.#flush(log);
    else this.#armTimer();
  }

  /** Exactly what was appended before the call: with `follow` in the same turn nothing is missed or doubled. */
  async tail(
    accountId: AccountId,
    functionName: string,
    bytesMax: number,
    logNames?: readonly string[],
  ): Promise<Buffer> {
    if (logNames === undefined) {
      const log = this.#log(accountId, functionName);
      void this.#flush(log);
      return this.#inOrder(log, () => log.file.tail(bytesMax));
    }
    const tails = logNames.map((logName) => {
      const log = this.#log(accountId, logName);
      void this.#flush(log);
      const isWanted = (stream: string) => (functionOfLogStream(stream) ?? logName) === functionName;
      return this.#inOrder(log, () => log.file.lastEvents(bytesMax, isWanted));
    });
    const events = (await Promise.all(tails)).flat().sort((a, b) => a.atMs - b.atMs);
    return lastLines(Buffer.from(events.map(({ text }) => `${text}\n`).join("")), bytesMax);
  }

  async read(
    accountId: AccountId,
    logName: string,
    fromMs: number,
    onEvent: (event: LogEvent) => boolean,
  ): Promise<void> {
    const log = this.#log(accountId, logName);
    void this.#flush(log);
    await this.#reads.take();
    let snapshot: LogSnapshot | undefined;
    try {
      snapshot = await this.#inOrder(log, () => log.file.snapshot());
      let isWanted = true;
      const reader = new LogReader((event) => {
        if (isWanted && event.atMs >= fromMs) isWanted = onEvent(event);
      });
      await snapshot.readFrom(fromMs, (bytes) => {
        reader.read(bytes);
        return isWanted;
      });
      reader.end();
    } finally {
      this.#reads.give();
      await snapshot?.close();
    }
  }

  follow(accountId: AccountId, functionName: string, onText: (text: Buffer) => void): () => void {
    const log = this.#log(accountId, functionName);
    const follower = (text: Buffer) => onText(text);
    log.followers.add(follower);
    this.#followerCount++;
    return () => {
      if (log.followers.delete(follower)) this.#followerCount--;
      this.#forgetIfIdle(log);
    };
  }

  remove(accountId: AccountId, logName: string): Promise<void> {
    const log = this.#log(accountId, logName);
    void this.#flush(log);
    return this.#inOrder(log, () => log.file.remove());
  }

  async close(): Promise<void> {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    await Promise.all([...this.#logs.values()].map((log) => this.#flush(log)));
  }

  #log(accountId: AccountId, logName: string): OpenLog {
    const key = keyOf(accountId, logName);
    const known = this.#logs.get(key);
    if (known !== undefined) return known;
    const path = `${this.#dir}/${accountId}/${logFileName(logName)}`;
    const log: OpenLog = {
      key,
      file: new LogFile(path, this.#fileBytesMax),
      pending: [],
      writingBytes: 0,
      pendingBytes: 0,
      followers: new Set(),
      operations: 0,
      lastOperation: Promise.resolve(),
    };
    this.#logs.set(key, log);
    return log;
  }

  /** They are with the function's own log, wherever it writes. */
  #tellFollowers(accountId: AccountId, functionName: string, text: string | Buffer): void {
    for (const onText of this.#logs.get(keyOf(accountId, functionName))?.followers ?? []) {
      onText(plainLog(typeof text === "string" ? Buffer.from(text) : text));
    }
  }

  #timeOf(): number {
    const nowMs = this.#nowMs();
    if (nowMs > this.#lastMs || nowMs < this.#lastMs - SET_BACK_MS_MAX) this.#lastMs = nowMs;
    return this.#lastMs;
  }

  #armTimer(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      for (const log of this.#logs.values()) if (log.writingBytes === 0) void this.#flush(log);
    }, FLUSH_INTERVAL_MS);
  }

  /** Writes what is pending at the call. Never rejects: what cannot be written is lost. */
  #flush(log: OpenLog): Promise<void> {
    if (log.pending.length === 0) return log.lastOperation;
    const bytes = encodeLog(log.pending);
    const textBytes = log.pendingBytes - log.writingBytes;
    log.pending = [];
    log.writingBytes += textBytes;
    return this.#inOrder(log, async () => {
      try {
        await log.file.append(bytes);
        this.#isLosing = false;
      } catch (error) {
        this.#lose(textBytes, (error as Error).message);
      } finally {
        log.writingBytes -= textBytes;
        log.pendingBytes -= textBytes;
        this.#pendingBytes -= textBytes;
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
  #inOrder<T>(log: OpenLog, operation: () => Promise<T>): Promise<T> {
    log.operations++;
    const result = log.lastOperation.then(async () => {
      await this.#writes.take();
      try {
        return await operation();
      } finally {
        this.#writes.give();
      }
    });
    const settled = () => {
      log.operations--;
      this.#forgetIfIdle(log);
    };
    log.lastOperation = result.then(settled, settled);
    return result;
  }

  #forgetIfIdle(log: OpenLog): void {
    const isIdle = log.operations === 0 && log.pendingBytes === 0 && log.followers.size === 0;
    if (isIdle && this.#logs.get(log.key) === log) this.#logs.delete(log.key);
  }
}

function keyOf(accountId: AccountId, logName: string): string {
  return `${accountId}/${logName}`;
}

/** Lets few do something at once; the others wait in line. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnceMax: number) {
    this.#free = atOnceMax;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

type OpenLog = {
  readonly key: string;
  readonly file: LogFile;
  /** Not yet given to a write. */
  pending: LogPiece[];
  /** Given to a write that has not ended. */
  writingBytes: number;
  /** Both together, which is what the memory bounds count. */
  pendingBytes: number;
  /** Of the function that the log is named for. */
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
