/** What identifies a function's code. */
export type StoredCode = {
  /** Lower-case hex sha256 of the zip archive. */
  readonly sha256Hex: string;
  /** Size of the zip archive. */
  readonly codeSizeBytes: number;
};

/** Lambda's limit of a zip archive sent inline (50 MB). */
export const ZIP_BYTES_MAX = 52_428_800;
/** Lambda's limit of the unpacked code (250 MB). */
export const UNZIPPED_BYTES_MAX = 262_144_000;
/**
 * Files, folders and links that one archive makes, with the folders that its names only imply; what a
 * zip archive without extensions can count.
 */
export const ZIP_ENTRIES_MAX = 65_535;
/** Names in one path of an archive. Deep trees of packages have some thirty. */
export const ZIP_DEPTH_MAX = 128;

/** The code of functions and layers, addressed by its content. */
export type CodeStore = {
  /**
   * Keeps an archive and its unpacked form; durable once resolved. The same archive twice costs nothing.
   * @throws HearthError CODE_CORRUPT, CODE_TOO_LARGE, STORE_FAILED; nothing is left behind then.
   */
  put(zip: Buffer): Promise<StoredCode>;
  /** Checks an archive as `put` does, and keeps nothing. */
  check(zip: Buffer): Promise<StoredCode>;
  /** Folder of the unpacked code. */
  dir(sha256Hex: string): string;
  /** The archive. @throws HearthError STORE_FAILED when there is none. */
  read(sha256Hex: string): Promise<Buffer>;
  /**
   * Hashes the stored archive again and unpacks it if its folder is missing.
   * @throws HearthError CODE_CORRUPT when the archive is missing or is not what it was, STORE_FAILED.
   */
  verify(sha256Hex: string): Promise<void>;
  /** Bytes of the files that were unpacked. @throws HearthError STORE_FAILED. */
  unpackedBytes(sha256Hex: string): Promise<number>;
  /**
   * The name, for `dir` and `retain`, of these archives laid over each other, later ones on top: a hash of the list,
   * and of a single archive its own.
   */
  overlayName(sha256Hexes: readonly string[]): string;
  /**
   * Makes the folder of an overlay, if it is not there; durable once resolved. Read-only: its files are those of the archives.
   * @throws HearthError STORE_FAILED when one of them is not there.
   */
  overlay(sha256Hexes: readonly string[]): Promise<void>;
  /** Removes code and overlays that were not in `used` at any call during the last `graceMs`. */
  retain(used: ReadonlySet<string>, graceMs: number): Promise<void>;
};
