import { createHash, randomUUID, webcrypto } from "node:crypto";
import { access, chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HearthError } from "../../model/error-code.ts";
import { type CodeStore, type StoredCode, ZIP_BYTES_MAX } from "../../ports/code-store.ts";
import { Gate } from "./gate.ts";
import { layOver } from "./overlay.ts";
import { checkZip, syncFolder, unzip } from "./unzip.ts";

const TEMPORARY_PREFIX = "tmp-";
const ZIP_SUFFIX = ".zip";
/** The list of what an overlay was made of stands beside it, as an archive beside its code. */
const LAYERS_SUFFIX = ".layers";
/** A marker file beside code that nobody uses; its age is how long that has been so. */
const UNUSED_SUFFIX = ".unused";
/** Archives that are inflated at a time, to keep or to check. */
const INFLATED_AT_ONCE_MAX = 4;

/**
 * Opens the code store in a folder and makes it if there is none. An archive is `<sha256>.zip`, its
 * unpacked form the folder `<sha256>`, readable by every user: containers run under uids of their
 * own. An overlay is `<hash>.layers` and the folder `<hash>`. All appear by a rename of something that is complete and on disk.
 * @throws HearthError STORE_FAILED.
 */
export async function createFilesCodeStore(dir: string): Promise<CodeStore> {
  try {
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
    for (const name of await readdir(dir)) {
      if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(dir, name), { recursive: true, force: true });
    }
  } catch (error) {
    throw storeFailed(error);
  }
  return new FilesCodeStore(dir);
}

class FilesCodeStore implements CodeStore {
  readonly #dir: string;
  readonly #inflating = new Gate(INFLATED_AT_ONCE_MAX);
  /** Archives and overlays on their way in, by name: the same one twice at once is written once. */
  readonly #keeping = new Map<string, Promise<void>>();
  /** Changes of the folder happen one after another; all are short, what takes long is prepared before. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async put(zip: Buffer): Promise<StoredCode> {
    const code = await identify(zip);
    await this.#keepOnce(code.sha256Hex, zip);
    return code;
  }

  async check(zip: Buffer): Promise<StoredCode> {
    const code = await identify(zip);
    await this.#inflating.run(() => checkZip(zip));
    return code;
  }

  dir(sha256Hex: string): string {
    return join(this.#dir, sha256Hex);
  }

  async read(sha256Hex: string): Promise<Buffer> {
    try {
      return await readFile(this.#zipPath(sha256Hex));
    } catch (error) {
      throw storeFailed(error);
    }
  }

  async verify(sha256Hex: string): Promise<void> {
    if (!(await exists(this.#zipPath(sha256Hex))))
      throw new HearthError("CODE_CORRUPT", "the stored archive is missing");
    const zip = await this.read(sha256Hex);
    if ((await sha256HexOf(zip)) !== sha256Hex) throw new HearthError("CODE_CORRUPT", "the stored archive was changed");
    if (!(await exists(this.dir(sha256Hex)))) await this.#keepOnce(sha256Hex, zip);
  }

  async unpackedBytes(sha256Hex: string): Promise<number> {
    try {
      const entries = await readdir(this.dir(sha256Hex), { recursive: true, withFileTypes: true });
      let bytes = 0;
      for (const entry of entries) {
        if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name))).size;
      }
      return bytes;
    } catch (error) {
      throw storeFailed(error);
    }
  }

  overlayName(sha256Hexes: readonly string[]): string {
    const [only, ...others] = sha256Hexes;
    if (only !== undefined && others.length === 0) return only;
    return createHash("sha256")
      .update(`layers\n${sha256Hexes.join("\n")}`)
      .digest("hex");
  }

  overlay(sha256Hexes: readonly string[]): Promise<void> {
    const name = this.overlayName(sha256Hexes);
    if (sha256Hexes.length === 1) return Promise.resolve();
    return this.#once(name, () => this.#layOver(name, sha256Hexes));
  }

  async retain(used: ReadonlySet<string>, graceMs: number): Promise<void> {
    await this.#change(async () => {
      const names = await readdir(this.#dir);
      const kept = names
        .filter((name) => name.endsWith(ZIP_SUFFIX) || name.endsWith(LAYERS_SUFFIX))
        .map((name) => name.slice(0, name.lastIndexOf(".")));
      for (const sha256Hex of kept) {
        if (used.has(sha256Hex)) await this.#markUsed(sha256Hex);
        else await this.#removeIfUnusedFor(sha256Hex, graceMs);
      }
    });
  }

  #keepOnce(sha256Hex: string, zip: Buffer): Promise<void> {
    return this.#once(sha256Hex, () => this.#keep(sha256Hex, zip));
  }

  #once(name: string, keep: () => Promise<void>): Promise<void> {
    const keeping = this.#keeping.get(name) ?? keep().finally(() => this.#keeping.delete(name));
    this.#keeping.set(name, keeping);
    return keeping;
  }

  async #layOver(name: string, sha256Hexes: readonly string[]): Promise<void> {
    await this.#change(() => this.#markUsed(name));
    if (await exists(this.dir(name))) return;
    const [list, folder] = [this.#temporary(), this.#temporary()];
    try {
      const folders = sha256Hexes.map((sha256Hex) => this.dir(sha256Hex));
      await this.#inflating.run(() => layOver(folders, folder));
      await write(Buffer.from(JSON.stringify(sha256Hexes)), list);
      await this.#change(async () => {
        await rename(list, this.#layersPath(name));
        await rename(folder, this.dir(name));
        await syncFolder(this.#dir);
      });
    } catch (error) {
      throw asHearthError(error);
    } finally {
      await rm(list, { force: true });
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #keep(sha256Hex: string, zip: Buffer): Promise<void> {
    // Its time of grace starts again, so that no sweep removes a half that is there already.
    await this.#change(() => this.#markUsed(sha256Hex));
    const [archive, folder] = [this.#temporary(), this.#temporary()];
    try {
      const isUnpacked = await exists(this.dir(sha256Hex));
      if (!isUnpacked) await this.#inflating.run(() => unpack(zip, folder));
      const isWritten = await isWhole(this.#zipPath(sha256Hex), zip);
      if (!isWritten) await write(zip, archive);
      await this.#change(async () => {
        // The archive comes first and goes last: while it is there, the rest is found again.
        if (!isWritten) await rename(archive, this.#zipPath(sha256Hex));
        if (!isUnpacked) await rename(folder, this.dir(sha256Hex));
        await syncFolder(this.#dir);
      });
    } catch (error) {
      throw asHearthError(error);
    } finally {
      await rm(archive, { force: true });
      await rm(folder, { recursive: true, force: true });
    }
  }

  #temporary(): string {
    return join(this.#dir, TEMPORARY_PREFIX + randomUUID());
  }

  async #markUsed(sha256Hex: string): Promise<void> {
    await rm(this.#unusedPath(sha256Hex), { force: true });
  }

  async #removeIfUnusedFor(sha256Hex: string, graceMs: number): Promise<void> {
    const marker = await stat(this.#unusedPath(sha256Hex)).catch(() => undefined);
    if (marker === undefined) {
      await (await open(this.#unusedPath(sha256Hex), "w")).close();
    } else if (Date.now() - marker.mtimeMs >= graceMs) {
      await this.#removeFolder(this.dir(sha256Hex));
      await this.#markUsed(sha256Hex);
      await rm(this.#zipPath(sha256Hex), { force: true });
      await rm(this.#layersPath(sha256Hex), { force: true });
    }
  }

  /** Gone as a whole first: a crash in the middle must not leave a part that the next start takes for all of it. */
  async #removeFolder(folder: string): Promise<void> {
    const leaving = this.#temporary();
    try {
      await rename(folder, leaving);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    await syncFolder(this.#dir);
    await rm(leaving, { recursive: true, force: true });
  }

  /** Changes wait for those before them, whether these succeeded or not. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    const change = this.#lastChange.then(work).catch((error: unknown) => {
      throw asHearthError(error);
    });
    this.#lastChange = change.catch(() => {});
    return change;
  }

  #zipPath(sha256Hex: string): string {
    return join(this.#dir, sha256Hex + ZIP_SUFFIX);
  }

  #layersPath(name: string): string {
    return join(this.#dir, name + LAYERS_SUFFIX);
  }

  #unusedPath(sha256Hex: string): string {
    return join(this.#dir, sha256Hex + UNUSED_SUFFIX);
  }
}

async function identify(zip: Buffer): Promise<StoredCode> {
  if (zip.length > ZIP_BYTES_MAX) throw new HearthError("CODE_TOO_LARGE", `zipped, over ${ZIP_BYTES_MAX} bytes`);
  return { sha256Hex: await sha256HexOf(zip), codeSizeBytes: zip.length };
}

/** Hashes off the event loop. */
async function sha256HexOf(zip: Buffer): Promise<string> {
  const digest = await webcrypto.subtle.digest("SHA-256", zip as Buffer<ArrayBuffer>);
  return Buffer.from(digest).toString("hex");
}

/** Makes the folder `path` of an archive; on disk once resolved, its name apart. */
async function unpack(zip: Buffer, path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
  await unzip(zip, path);
  await syncFolder(path);
}

/** Makes the file `path`; on disk once resolved, its name apart. */
async function write(bytes: Buffer, path: string): Promise<void> {
  const handle = await open(path, "wx", 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether the archive is stored undamaged; a deployment mends what a disk has spoiled. */
async function isWhole(path: string, zip: Buffer): Promise<boolean> {
  if (!(await exists(path))) return false;
  return zip.equals(await readFile(path));
}

/** @throws HearthError STORE_FAILED when that cannot be told. */
async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw storeFailed(error);
    },
  );
}

function asHearthError(error: unknown): HearthError {
  return error instanceof HearthError ? error : storeFailed(error);
}

function storeFailed(error: unknown): HearthError {
  return new HearthError("STORE_FAILED", (error as Error).message, { cause: error });
}
