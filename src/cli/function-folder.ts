import { existsSync } from "node:fs";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import type { Readable } from "node:stream";
import { ZipFile } from "yazl";
import { isRuntime, RUNTIMES, type RuntimeName } from "../model/runtime.ts";
import { type CliError, usageError } from "./cli-error.ts";

/** Optional description of a function inside its folder; not part of the deployed code. */
const MANIFEST = "function.json";
/** A member that is misspelt would have no effect, and nobody would know. */
const MANIFEST_MEMBERS = ["name", "runtime", "handler", "memoryMiB", "timeoutS", "event"];
/** Lambda's limit for a zip archive sent directly ("Lambda quotas"). */
const ZIP_BYTES_MAX = 52_428_800;
/** Before compression ("Lambda quotas"); also keeps a wrong folder (`/`) from being read for minutes. */
const FOLDER_BYTES_MAX = 262_144_000;
const FOLDER_FILES_MAX = 50_000;
/** As the console of AWS names them, and as everybody else does. */
const PYTHON_HANDLERS = { "lambda_function.py": "lambda_function.lambda_handler", "index.py": "index.handler" };
/** Never code: version control, and Hearth's own data. */
const IGNORED = new Set([".git", ".hearth", ".DS_Store"]);
/** The same files give the same archive, hence the same code hash. */
const MTIME = new Date("2000-01-01T00:00:00Z");

/** What a folder or archive says about the function in it. */
export type FunctionManifest = {
  readonly name?: string;
  readonly runtime?: RuntimeName;
  /** The files tell the language and no version: which Python runs it depends on the server. */
  readonly isPython?: true;
  readonly handler?: string;
  /** What of it the files tell, and nobody stated. */
  readonly guesses?: readonly string[];
  readonly memoryMiB?: number;
  readonly timeoutS?: number;
  /** A payload to try it with. */
  readonly event?: unknown;
};

export type FunctionSource = {
  readonly zip: Buffer;
  readonly manifest: FunctionManifest;
};

/** @param pythons Python runtimes that the server has. @returns undefined when that does not tell one. */
export function runtimeOf(
  { runtime, isPython }: FunctionManifest,
  pythons: readonly string[],
): RuntimeName | undefined {
  if (runtime !== undefined || isPython === undefined) return runtime;
  const newest = pythons.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  return newest !== undefined && isRuntime(newest) ? newest : undefined;
}

/** Reads a folder or a zip archive. @throws CliError naming the path and the remedy. */
export async function readFunctionSource(path: string): Promise<FunctionSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw usageError(`there is no ${path}`, "name a folder with the function's code, or a zip of it");
  if (!found.isDirectory()) return { zip: await readZip(path), manifest: { name: nameFrom(basename(path, ".zip")) } };
  const manifest = await readManifest(path);
  return { zip: await zipFolder(path), manifest };
}

/** `function.json`, completed by what the files make obvious. @throws CliError when it is no manifest. */
export async function readManifest(folder: string): Promise<FunctionManifest> {
  const stated = existsSync(join(folder, MANIFEST))
    ? parseManifest(join(folder, MANIFEST), await readFile(join(folder, MANIFEST), "utf8"))
    : {};
  const { isPython, ...guess } = guessed(folder);
  const isOpen = isPython === true && stated.runtime === undefined;
  const guesses = Object.keys(guess).filter((member) => !(member in stated));
  const name = nameFrom(basename(resolve(folder)));
  const told = { ...(guesses.length > 0 ? { guesses } : {}), ...(isOpen ? { isPython } : {}) };
  return { name, ...guess, ...stated, ...told };
}

/** What `bootstrap`, `index.*` or `lambda_function.py` in a folder say. An unusual layout has to be named. */
function guessed(folder: string): Pick<FunctionManifest, "runtime" | "isPython" | "handler"> {
  if (existsSync(join(folder, "bootstrap"))) return { runtime: "provided.al2023", handler: "bootstrap" };
  const hasIndex = ["index.mjs", "index.js", "index.cjs"].some((file) => existsSync(join(folder, file)));
  if (hasIndex) return { runtime: "nodejs24.x", handler: "index.handler" };
  for (const [file, handler] of Object.entries(PYTHON_HANDLERS)) {
    if (existsSync(join(folder, file))) return { isPython: true, handler };
  }
  return {};
}

function nameFrom(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 64);
}

function parseManifest(path: string, text: string): FunctionManifest {
  let manifest: Partial<Record<keyof FunctionManifest, unknown>>;
  try {
    manifest = JSON.parse(text) as typeof manifest;
  } catch (error) {
    throw usageError(`${path} is not JSON: ${(error as Error).message}`, "correct it or remove it");
  }
  if (typeof manifest !== "object" || manifest === null || Array.isArray(manifest)) {
    throw usageError(`${path} is no JSON object`, 'write it like {"handler": "index.handler"}');
  }
  const unknown = Object.keys(manifest).find((member) => !MANIFEST_MEMBERS.includes(member));
  if (unknown !== undefined) {
    throw usageError(`${path}: there is no member ${unknown}`, `it may have ${MANIFEST_MEMBERS.join(", ")}`);
  }
  const { name, runtime, handler, memoryMiB, timeoutS } = manifest;
  const isText = (value: unknown) => value === undefined || typeof value === "string";
  const isCount = (value: unknown) => value === undefined || Number.isInteger(value);
  if (!isText(name) || !isText(handler) || !isCount(memoryMiB) || !isCount(timeoutS)) {
    throw usageError(`${path}: name and handler must be text, memoryMiB and timeoutS whole numbers`, "correct it");
  }
  if (runtime !== undefined && !(typeof runtime === "string" && isRuntime(runtime))) {
    throw usageError(`${path}: runtime ${JSON.stringify(runtime)} is unknown`, `give one of ${RUNTIMES.join(", ")}`);
  }
  return manifest as FunctionManifest;
}

async function readZip(path: string): Promise<Buffer> {
  const zip = await readFile(path);
  if (zip.subarray(0, 2).toString() !== "PK")
    throw usageError(`${path} is not a zip archive`, "name a folder or a .zip file");
  return checkedZip(zip, path);
}

/**
 * A folder as a zip archive: modes and links inside it kept, the same bytes for the same files.
 *
 * @throws CliError when it is too large or a link leads out of it.
 */
export async function zipFolder(folder: string): Promise<Buffer> {
  const archive = new ZipFile();
  const chunks: Promise<Buffer[]> = (archive.outputStream as Readable).toArray();
  try {
    await addFiles(archive, resolve(folder));
  } catch (error) {
    chunks.catch(() => {});
    throw error;
  }
  archive.end();
  return checkedZip(Buffer.concat(await chunks), folder);
}

async function addFiles(archive: ZipFile, root: string): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => path !== MANIFEST && !path.split(sep).some((part) => IGNORED.has(part)))
    .sort();
  if (paths.length === 0) throw usageError(`${root} holds no files`, "name the folder with the function's code");
  if (paths.length > FOLDER_FILES_MAX) throw tooLarge(root, `${paths.length} files`, `${FOLDER_FILES_MAX} files`);
  let bytes = 0;
  for (const path of paths) {
    const info = await lstat(join(root, path));
    const options = { mtime: MTIME, mode: info.mode };
    bytes += info.size;
    if (bytes > FOLDER_BYTES_MAX) throw tooLarge(root, "more", `${FOLDER_BYTES_MAX} bytes`);
    if (info.isSymbolicLink()) archive.addBuffer(Buffer.from(await innerLink(root, path)), path, options);
    else if (info.isFile()) archive.addBuffer(await readFile(join(root, path)), path, options);
    else throw usageError(`${join(root, path)} is neither a file nor a link`, "remove it from the folder");
  }
}

async function innerLink(root: string, path: string): Promise<string> {
  const target = await readlink(join(root, path));
  const end = resolve(root, path, "..", target);
  if (!target.startsWith("/") && end.startsWith(root + sep)) return target;
  throw usageError(`${join(root, path)} links to ${target}, outside the folder`, "copy the file into the folder");
}

function checkedZip(zip: Buffer, path: string): Buffer {
  if (zip.length > ZIP_BYTES_MAX) throw tooLarge(path, `${zip.length} bytes zipped`, `${ZIP_BYTES_MAX} bytes`);
  return zip;
}

function tooLarge(path: string, is: string, may: string): CliError {
  return usageError(
    `${path} is too large: ${is}, where Lambda takes ${may}`,
    "leave out what the function does not need",
  );
}
