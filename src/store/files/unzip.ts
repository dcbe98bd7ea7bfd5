import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, mkdir, open, realpath, symlink } from "node:fs/promises";
import { dirname, join, posix, sep } from "node:path";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, fromBuffer, type ZipFile } from "yauzl";
import { HearthError } from "../../model/error-code.ts";
import { UNZIPPED_BYTES_MAX, ZIP_DEPTH_MAX, ZIP_ENTRIES_MAX } from "../../ports/code-store.ts";

/** A link's target is a path: nothing on Linux follows a longer one. */
const LINK_BYTES_MAX = 4096;
const UNIX = 3;
const ENCRYPTED_BIT = 1;

/** Where the parts of an archive go: to a folder, or nowhere when it is only checked. */
type Sink = {
  /** Those above it have been made; each is made once. */
  folder(path: string): Promise<void>;
  file(path: string, isExecutable: boolean): Promise<{ write(chunk: Buffer): Promise<void>; close(): Promise<void> }>;
  link(path: string, target: string): Promise<void>;
  /** Called once, after all else. */
  finish(): Promise<void>;
};

/**
 * Unpacks an archive into `dir`, which exists and is empty. Limits are counted on what is really
 * inflated, never believed from headers. Folders become 0755, files 0644, or 0755 if any execute bit
 * was set; everything is on disk when it resolves, `dir` itself apart.
 * @throws HearthError CODE_CORRUPT, CODE_TOO_LARGE, STORE_FAILED; `dir` may hold a part of it then.
 */
export function unzip(zip: Buffer, dir: string): Promise<void> {
  return readArchive(zip, new FolderSink(dir));
}

/** Reads an archive to its end and keeps nothing. @throws as `unzip`, STORE_FAILED apart. */
export function checkZip(zip: Buffer): Promise<void> {
  return readArchive(zip, nowhere);
}

async function readArchive(zip: Buffer, sink: Sink): Promise<void> {
  try {
    const archive = await openArchive(zip);
    if (archive.entryCount > ZIP_ENTRIES_MAX) throw tooManyEntries();
    const reader = new EntryReader(archive, sink);
    await new Promise<void>((resolve, reject) => {
      archive.on("error", reject);
      archive.on("end", resolve);
      archive.on("entry", (entry: Entry) => {
        reader.read(entry).then(
          () => archive.readEntry(),
          (error: unknown) => reject(asHearthError(error, entry.fileName)),
        );
      });
      archive.readEntry();
    });
    await sink.finish();
  } catch (error) {
    throw asHearthError(error);
  }
}

function tooManyEntries(): HearthError {
  return new HearthError("CODE_TOO_LARGE", `over ${ZIP_ENTRIES_MAX} files, folders and links`);
}

/** System errors that a hostile or odd archive causes, and no disk: two entries of one name, a file as a folder … */
const ARCHIVE_ERRNOS = new Set(["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EINVAL", "EILSEQ", "ELOOP"]);

/** @param name of the entry that it came with. Who sent the archive reads that, and nothing of the server's folders. */
function asHearthError(error: unknown, name = "a link"): HearthError {
  if (error instanceof HearthError) return error;
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return new HearthError("CODE_CORRUPT", message, { cause: error });
  if (!ARCHIVE_ERRNOS.has(code ?? "")) return new HearthError("STORE_FAILED", message, { cause: error });
  return new HearthError("CODE_CORRUPT", `${name} does not fit beside the others, or is no path: ${code}`, {
    cause: error,
  });
}

function openArchive(zip: Buffer): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    fromBuffer(zip, { lazyEntries: true, validateEntrySizes: true, strictFileNames: true }, (error, archive) => {
      if (error === null) resolve(archive);
      else reject(error);
    });
  });
}

class EntryReader {
  readonly #archive: ZipFile;
  readonly #sink: Sink;
  readonly #paths = new Set<string>();
  /** Named by an entry of their own or implied by the name of another. */
  readonly #folders = new Set<string>();
  /** Files, folders and links so far. */
  #madeCount = 0;
  #inflatedBytes = 0;

  constructor(archive: ZipFile, sink: Sink) {
    this.#archive = archive;
    this.#sink = sink;
  }

  async read(entry: Entry): Promise<void> {
    const path = pathOf(entry);
    if (this.#paths.has(path)) throw new HearthError("CODE_CORRUPT", `two entries named ${path}`);
    this.#paths.add(path);
    if ((entry.generalPurposeBitFlag & ENCRYPTED_BIT) !== 0)
      throw new HearthError("CODE_CORRUPT", `${path} is encrypted`);
    const mode = entry.versionMadeBy >>> 8 === UNIX ? entry.externalFileAttributes >>> 16 : 0;
    const kind = mode & constants.S_IFMT;
    if (entry.fileName.endsWith("/")) return this.#makeFolders(path);
    await this.#makeFolders(posix.dirname(path));
    this.#count(1);
    if (kind === constants.S_IFLNK) return this.#readLink(entry, path);
    if (kind !== 0 && kind !== constants.S_IFREG) throw new HearthError("CODE_CORRUPT", `${path} is a special file`);
    const file = await this.#sink.file(path, (mode & 0o111) !== 0);
    try {
      await this.#inflate(entry, (chunk) => file.write(chunk));
    } finally {
      await file.close();
    }
  }

  /** Makes a folder and those above it, as far as they are missing: names imply them. */
  async #makeFolders(path: string): Promise<void> {
    const missing: string[] = [];
    for (let folder = path; isBelowRoot(folder) && !this.#folders.has(folder); folder = posix.dirname(folder)) {
      missing.push(folder);
    }
    this.#count(missing.length);
    for (const folder of missing.reverse()) {
      this.#folders.add(folder);
      await this.#sink.folder(folder);
    }
  }

  #count(made: number): void {
    this.#madeCount += made;
    if (this.#madeCount > ZIP_ENTRIES_MAX) throw tooManyEntries();
  }

  async #readLink(entry: Entry, path: string): Promise<void> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    await this.#inflate(entry, (chunk) => {
      bytes += chunk.length;
      if (bytes > LINK_BYTES_MAX) throw new HearthError("CODE_CORRUPT", `${path} links to a path that is too long`);
      chunks.push(chunk);
    });
    const target = Buffer.concat(chunks).toString();
    if (target === "" || target.includes("\0") || leavesRoot(path, target)) {
      throw new HearthError("CODE_CORRUPT", `${path} links out of the archive`);
    }
    await this.#sink.link(path, target);
  }

  async #inflate(entry: Entry, onChunk: (chunk: Buffer) => void | Promise<void>): Promise<void> {
    let crc = 0;
    for await (const chunk of await this.#stream(entry)) {
      this.#inflatedBytes += (chunk as Buffer).length;
      if (this.#inflatedBytes > UNZIPPED_BYTES_MAX) throw new HearthError("CODE_TOO_LARGE");
      crc = crc32(chunk as Buffer, crc);
      await onChunk(chunk as Buffer);
    }
    if (crc !== entry.crc32) throw new HearthError("CODE_CORRUPT", `checksum of ${entry.fileName} is wrong`);
  }

  #stream(entry: Entry): Promise<Readable> {
    return new Promise((resolve, reject) => {
      this.#archive.openReadStream(entry, (error, stream) => {
        if (error === null) resolve(stream);
        else reject(error);
      });
    });
  }
}

/** Path of an entry below the root, without empty and `.` segments; yauzl has refused absolute ones and `..`. */
function pathOf(entry: Entry): string {
  const segments = entry.fileName.split("/").filter((segment) => segment !== "" && segment !== ".");
  const path = segments.join("/");
  const isNameless = path === "" && !entry.fileName.endsWith("/");
  if (isNameless || segments.includes("..") || path.includes("\0") || entry.fileName.startsWith("/")) {
    throw new HearthError("CODE_CORRUPT", `invalid name ${JSON.stringify(entry.fileName)}`);
  }
  if (segments.length > ZIP_DEPTH_MAX) throw new HearthError("CODE_CORRUPT", `a path deeper than ${ZIP_DEPTH_MAX}`);
  return path;
}

function isBelowRoot(folder: string): boolean {
  return folder !== "" && folder !== ".";
}

function leavesRoot(path: string, target: string): boolean {
  if (posix.isAbsolute(target)) return true;
  const resolved = posix.normalize(posix.join(posix.dirname(path), target));
  return resolved === ".." || resolved.startsWith("../");
}

/** Links are made last: no file can be written through one. */
class FolderSink implements Sink {
  readonly #dir: string;
  readonly #folders: string[] = [];
  readonly #links: { readonly path: string; readonly target: string }[] = [];

  constructor(dir: string) {
    this.#dir = dir;
  }

  async folder(path: string): Promise<void> {
    await mkdir(join(this.#dir, path));
    await chmod(join(this.#dir, path), 0o755);
    this.#folders.push(path);
  }

  async file(path: string, isExecutable: boolean) {
    const handle: FileHandle = await open(join(this.#dir, path), "wx");
    await handle.chmod(isExecutable ? 0o755 : 0o644);
    return {
      write: async (chunk: Buffer) => {
        for (let written = 0; written < chunk.length; ) written += (await handle.write(chunk, written)).bytesWritten;
      },
      close: async () => {
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      },
    };
  }

  async link(path: string, target: string): Promise<void> {
    this.#links.push({ path, target });
  }

  async finish(): Promise<void> {
    for (const { path, target } of this.#links) await symlink(target, join(this.#dir, path));
    const root = await realpath(this.#dir);
    for (const { path } of this.#links) await refuseEscape(root, join(root, path));
    for (const folder of this.#folders) await syncFolder(join(this.#dir, folder));
  }
}

/** A chain of links can leave the root where each link alone does not. What leads nowhere is harmless. */
async function refuseEscape(root: string, link: string): Promise<void> {
  let end: string;
  try {
    end = await realpath(link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" && (await lstat(dirname(link))).isDirectory()) return;
    throw error;
  }
  if (end !== root && !end.startsWith(root + sep))
    throw new HearthError("CODE_CORRUPT", "a link leads out of the archive");
}

/** Makes the names in a folder survive a crash. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const nowhere: Sink = {
  folder: async () => {},
  file: async () => ({ write: async () => {}, close: async () => {} }),
  link: async () => {},
  finish: async () => {},
};
