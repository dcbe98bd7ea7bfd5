import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

const NEWLINE = 0x0a;

/**
 * One log on disk: `PATH.log`, and `PATH.1.log` with what came before it. Opened for each
 * operation, so that any number of logs needs no open files. Operations must not overlap.
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
      }
      await file.appendFile(bytes);
    } finally {
      await file.close();
    }
  }

  /** The last `bytesMax` bytes, from the beginning of a line on. */
  async tail(bytesMax: number): Promise<Buffer> {
    // One byte more tells whether the cut falls on the beginning of a line.
    const current = await readEnd(this.#current, bytesMax + 1);
    const missing = bytesMax + 1 - current.length;
    const previous = missing > 0 ? await readEnd(this.#previous, missing) : Buffer.alloc(0);
    const bytes = Buffer.concat([previous, current]);
    if (bytes.length <= bytesMax) return bytes;
    return bytes.subarray(bytes.indexOf(NEWLINE) + 1 || bytes.length);
  }

  async remove(): Promise<void> {
    await rm(this.#current, { force: true });
    await rm(this.#previous, { force: true });
  }

  async #openForAppend(): Promise<FileHandle> {
    try {
      return await open(this.#current, "a", 0o640);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await mkdir(dirname(this.#current), { recursive: true });
      return open(this.#current, "a", 0o640);
    }
  }
}

async function readEnd(path: string, bytesMax: number): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
  try {
    const { size } = await file.stat();
    const bytes = Math.min(size, bytesMax);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
    return buffer.subarray(0, bytesRead);
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
