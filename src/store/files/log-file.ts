import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { LogEvent } from "../../ports/log-store.ts";
import { findMark, LogReader, logText } from "./log-marks.ts";

const NEWLINE = 0x0a;
/** Read at once while events are looked for; the server does other things in between. */
const READ_BYTES = 128 * 1024;

/**
 * One log on disk: `PATH.log`, and `PATH.1.log` with what came before it; lines with marks between them. Opened for each
 * operation, so that any number of logs needs no open files. Operations must not overlap, but for the reading of what
 * `snapshot` has opened.
 */
export class LogFile {
  readonly #current: string;
  readonly #previous: string;
  readonly #bytesMax: number;

  /** @param bytesMax size at which the current file becomes the previous one. */
  constructor(path: string, bytesMax: number) {
    this.#current = `${path}.log`;
    this.#previous = `${path}.1.log`;
    this.#bytesMax = bytesMax;
  }

  /** @throws Error of the file system; what was written of `bytes` stays. */
  async append(bytes: Buffer): Promise<void> {
    let file = await this.#openForAppend();
    try {
      const { size } = await file.stat();
      if (size > 0 && size + bytes.length > this.#bytesMax) {
        await file.close();
        await rename(this.#current, this.#previous);
        file = await this.#openForAppend();
      } else if (size > 0 && (await readAt({ file, size }, size - 1, 1))[0] !== NEWLINE) {
        // A full disk or the end of a process cut a write off: marks are known at the beginning of a line only.
        await file.appendFile("\n");
      }
      await file.appendFile(bytes);
    } finally {
      await file.close();
    }
  }

  /** The last `bytesMax` bytes without marks, from the beginning of a line on. */
  async tail(bytesMax: number): Promise<Buffer> {
    // One byte more tells whether the cut falls on the beginning of a line; marks take as much again, about.
    for (let bytes = 2 * bytesMax + 1; ; bytes *= 2) {
      const current = await readEnd(this.#current, bytes);
      const missing = bytes - current.length;
      const previous = missing > 0 ? await readEnd(this.#previous, missing) : Buffer.alloc(0);
      const found = Buffer.concat([previous, current]);
      const isAll = found.length < bytes;
      const text = logText(isAll ? found : found.subarray(found.indexOf(NEWLINE) + 1 || found.length));
      if (text.length > bytesMax) return lastLines(text, bytesMax);
      if (isAll) return text;
    }
  }

  /**
   * The last events of some streams, oldest first: so many that they are `bytesMax` bytes, or all.
   * What other streams wrote is passed over, which may be most of the log; so it is read from its beginning on, and kept is
   * no more than twice what is asked for.
   */
  async lastEvents(bytesMax: number, isWanted: (stream: string) => boolean): Promise<LogEvent[]> {
    const events = new LastEvents(bytesMax);
    const reader = new LogReader((event) => {
      if (isWanted(event.stream)) events.add(event);
    });
    const snapshot = await this.snapshot();
    try {
      await snapshot.readFrom(0, (bytes) => {
        reader.read(bytes);
        return true;
      });
      reader.end();
    } finally {
      await snapshot.close();
    }
    return events.all;
  }

  /** Opens what there is now, for `readFrom`: later writes do not change it. */
  async snapshot(): Promise<LogSnapshot> {
    const files: SnapshotFile[] = [];
    const snapshot = new LogSnapshot(files);
    try {
      for (const path of [this.#previous, this.#current]) {
        const found = await openSized(path);
        if (found !== undefined) files.push(found);
      }
      return snapshot;
    } catch (error) {
      // A handle that is collected before it is closed would end the process.
      await snapshot.close();
      throw error;
    }
  }

  async remove(): Promise<void> {
    await rm(this.#current, { force: true });
    await rm(this.#previous, { force: true });
  }

  async #openForAppend(): Promise<FileHandle> {
    try {
      return await open(this.#current, "a+", 0o640);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await mkdir(dirname(this.#current), { recursive: true });
      return open(this.#current, "a+", 0o640);
    }
  }
}

/** The end of `text` that has at most `bytesMax` bytes, from the beginning of a line on. */
export function lastLines(text: Buffer, bytesMax: number): Buffer {
  if (text.length <= bytesMax) return text;
  // One byte more tells whether the cut falls on the beginning of a line.
  const end = text.subarray(-bytesMax - 1);
  return end.subarray(end.indexOf(NEWLINE) + 1 || end.length);
}

/** Forgets the oldest events when there are twice as many bytes as wanted. */
class LastEvents {
  all: LogEvent[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(event: LogEvent): void {
    this.all.push(event);
    this.#bytes += sizeOf(event);
    if (this.#bytes <= 2 * this.#bytesMax) return;
    let start = 0;
    for (; this.#bytes - sizeOf(this.all[start] as LogEvent) > this.#bytesMax; start++) {
      this.#bytes -= sizeOf(this.all[start] as LogEvent);
    }
    this.all = this.all.slice(start);
  }
}

function sizeOf({ text }: LogEvent): number {
  return Buffer.byteLength(text) + 1;
}

type SnapshotFile = { readonly file: FileHandle; readonly size: number };

/** The files of a log as they were at one time, oldest first. */
export class LogSnapshot {
  readonly #files: readonly SnapshotFile[];

  constructor(files: readonly SnapshotFile[]) {
    this.#files = files;
  }

  /** Tells the bytes from a mark on that is not after `fromMs`, in order, until `onBytes` answers false. */
  async readFrom(fromMs: number, onBytes: (bytes: Buffer) => boolean): Promise<void> {
    for (const each of this.#files) {
      for (let at = await startOf(each, fromMs); at < each.size; ) {
        const bytes = await readAt(each, at, READ_BYTES);
        if (bytes.length === 0) break;
        if (!onBytes(bytes)) return;
        at += bytes.length;
      }
    }
  }

  async close(): Promise<void> {
    for (const { file } of this.#files) await file.close();
  }
}

/** Halves the file until little is left before the first mark that is not before `fromMs`. */
async function startOf(each: SnapshotFile, fromMs: number): Promise<number> {
  let start = 0;
  for (let end = each.size; end - start > 2 * READ_BYTES; ) {
    const middle = Math.floor((start + end) / 2);
    const mark = findMark(await readAt(each, middle, READ_BYTES));
    if (mark !== undefined && mark.atMs < fromMs) start = middle + mark.offset;
    else end = middle;
  }
  return start;
}

async function readAt({ file, size }: SnapshotFile, position: number, bytesMax: number): Promise<Buffer> {
  const bytes = Math.min(bytesMax, size - position);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}

/** undefined: there is no such file. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** undefined: there is no such file. */
async function openSized(path: string): Promise<SnapshotFile | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    return { file, size: (await file.stat()).size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readEnd(path: string, bytesMax: number): Promise<Buffer> {
  const file = await openIfThere(path);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    return await readAt({ file, size }, Math.max(0, size - bytesMax), bytesMax);
  } finally {
    await file.close();
  }
}

/**
 * A file name for any text: readable, bounded, free of separators and dots, and different for names
 * that differ only in case (macOS folds it) or only in characters that are replaced.
 */
export function logFileName(name: string): string {
  const readable = name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 100);
  return `${readable}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
}
