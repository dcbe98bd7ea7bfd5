import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile as copyBytes,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { runCommand } from "../host/command.ts";
import type { PythonRuntime } from "../model/runtime.ts";
import type { FoundPython, FoundPythons } from "./pythons.ts";

/** Raised when the same interpreter is laid out differently. */
const LAYOUT_VERSION = 2;
const HASH_DIGITS = 16;
/** Homes of a runtime that stay when a new one is made: instances of an earlier server may still start from theirs. */
const HOMES_KEPT = 2;
const COMPILE_TIMEOUT_MS = 300_000;
/** Where containers see a home; AWS's interpreters are there too. */
const CONTAINER_PREFIX = "/var/lang";

/** Of the standard library: nothing that a function calls, or nothing that works without more of the host. */
const LEFT_OUT = new Set(
  "EXTERNALLY-MANAGED LICENSE.txt __phello__ dist-packages ensurepip idlelib lib2to3 pydoc_data site-packages sitecustomize.py test tests tkinter turtle.py turtledemo".split(
    " ",
  ),
);
/** Of the C library: containers have their own. */
const C_LIBRARY = /^(ld-linux.*|ld-musl.*|lib(c|m|dl|pthread)\.so\.\d+|linux-vdso.*)$/;

/** Where an interpreter as functions get it is, or will be when somebody wants it. */
export type PythonHome = {
  /** Absolute; has `bin/python3.…`, its standard library and shared libraries in `lib`, and boto3 in its `site-packages`. */
  readonly directory: string;
  /** `Python 3.11.2 of /usr/bin/python3.11, boto3 1.26.27` */
  readonly description: string;
  /** Makes it, unless it is there. @throws Error when something cannot be copied, or the copy does not run. */
  ensure(): Promise<void>;
};

export type PythonHomes = Readonly<Partial<Record<PythonRuntime, PythonHome>>>;

/**
 * Says where the home of each interpreter is: a copy with what functions need and nothing else of the host, readable by
 * all. An upgrade of the interpreter or the SDK makes another one. Homes appear at once and whole: several servers may
 * do this on the same folder. Elsewhere than on Linux, where there are no containers, the interpreter's own folder is its
 * home.
 */
export async function planPythonHomes(imagesDir: string, pythons: FoundPythons): Promise<PythonHomes> {
  const sdk = newestSdk(Object.values(pythons));
  const entries = Object.entries(pythons) as [PythonRuntime, FoundPython][];
  return Object.fromEntries(
    await Promise.all(
      entries.map(async ([runtime, python]) => [runtime, await homeOf(imagesDir, runtime, python, sdk)] as const),
    ),
  );
}

async function homeOf(
  imagesDir: string,
  runtime: PythonRuntime,
  python: FoundPython,
  sdk: FoundPython["sdk"],
): Promise<PythonHome> {
  if (process.platform !== "linux") {
    return { directory: python.prefix, description: describePython(python, python.sdk), async ensure() {} };
  }
  const directory = resolve(imagesDir, `${runtime}-${await hashOf(python, sdk)}`);
  let made: Promise<void> | undefined;
  return {
    directory,
    description: describePython(python, sdk),
    ensure() {
      made ??= ensureHome(directory, runtime, python, sdk).catch((error: unknown) => {
        made = undefined; // The next one tries again.
        throw error;
      });
      return made;
    },
  };
}

/** `Python 3.11.2 of /usr/bin/python3.11, boto3 1.26.27` */
export function describePython({ version, executable }: FoundPython, sdk: FoundPython["sdk"]): string {
  return `Python ${version} of ${executable}, ${sdk === null ? "without boto3" : `boto3 ${sdk.version}`}`;
}

/** boto3 is pure Python: what one interpreter has serves all. */
export function newestSdk(pythons: readonly FoundPython[]): FoundPython["sdk"] {
  const sdks = pythons.flatMap(({ sdk }) => (sdk === null ? [] : [sdk]));
  return sdks.toSorted((a, b) => b.version.localeCompare(a.version, "en", { numeric: true }))[0] ?? null;
}

async function ensureHome(
  directory: string,
  runtime: PythonRuntime,
  python: FoundPython,
  sdk: FoundPython["sdk"],
): Promise<void> {
  const imagesDir = dirname(directory);
  if (!(await exists(directory))) await make(imagesDir, directory, runtime, python, sdk);
  // The newest is the one that was used last.
  await utimes(directory, new Date(), new Date());
  await removeOld(imagesDir, runtime);
}

/** An upgrade writes the interpreter anew, and folders in which files are replaced. */
async function hashOf(python: FoundPython, sdk: FoundPython["sdk"]): Promise<string> {
  const paths = [python.executable, python.libraryDir, ...(sdk?.paths ?? [])];
  const ages = await Promise.all(
    paths.map(async (path) => {
      const { size, mtimeMs } = await stat(path);
      return [path, size, mtimeMs];
    }),
  );
  const text = JSON.stringify([LAYOUT_VERSION, python, sdk, ages]);
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
}

async function make(
  imagesDir: string,
  directory: string,
  runtime: PythonRuntime,
  python: FoundPython,
  sdk: FoundPython["sdk"],
): Promise<void> {
  const draft = join(imagesDir, `draft-${randomUUID()}`);
  try {
    await makePythonHome(draft, runtime, python, sdk);
    await rename(draft, directory);
  } catch (error) {
    if (!(await exists(directory))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Writes a home into a folder that does not exist. Sources of the same ages and bytes give the same.
 *
 * @throws Error when a file cannot be copied or the copy does not run.
 */
export async function makePythonHome(
  directory: string,
  runtime: PythonRuntime,
  python: FoundPython,
  sdk: FoundPython["sdk"],
): Promise<void> {
  const library = join(directory, "lib", runtime);
  const binary = join(directory, "bin", runtime);
  await mkdir(join(directory, "bin"), { recursive: true });
  await mkdir(library, { recursive: true });
  await copyFile(python.executable, binary);
  for (const name of ["python3", "python"]) await symlink(runtime, join(directory, "bin", name));
  const isCompiled = compiledFor(runtime);
  await copyTree(
    python.libraryDir,
    library,
    (name) => !LEFT_OUT.has(name) && !/^(config-|_tkinter\.)/.test(name) && isCompiled(name),
  );
  await hidePlace(library, python);
  const packages = join(library, "site-packages");
  await mkdir(packages, { recursive: true });
  for (const path of sdk?.paths ?? []) {
    const to = join(packages, basename(path));
    if ((await stat(path)).isDirectory()) await copyTree(path, to, isCompiled);
    else await copyFile(path, to);
  }
  for (const folder of [directory, join(directory, "bin"), join(directory, "lib"), library, packages]) {
    await chmod(folder, 0o755);
  }
  await copySharedLibraries(directory, library, python);
  await compile(binary, directory, library);
}

/** Compiled files are of use to the version that made them. */
function compiledFor(runtime: PythonRuntime): (name: string) => boolean {
  const ending = `.cpython-${runtime.slice("python".length).replace(".", "")}.pyc`;
  return (name) => !name.endsWith(".pyc") || name.endsWith(ending);
}

/** Links are followed; a file that cannot be read, or leads nowhere, is left out. */
async function copyTree(from: string, to: string, isTaken: (name: string) => boolean): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of (await readdir(from)).filter(isTaken)) {
    const source = join(from, name);
    const info = await stat(source).catch(() => undefined);
    if (info?.isDirectory()) await copyTree(source, join(to, name), isTaken);
    else if (info?.isFile()) await copyFile(source, join(to, name));
  }
  await chmod(to, 0o755);
}

/** With its age, by which Python knows whether what it compiled is of this source. */
async function copyFile(from: string, to: string): Promise<void> {
  const { mode, atime, mtime } = await stat(from);
  await copyBytes(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, (mode & 0o111) === 0 ? 0o644 : 0o755);
  await utimes(to, atime, mtime);
}

/** Python's record of how it was built names the host's folders. */
async function hidePlace(library: string, { prefix }: FoundPython): Promise<void> {
  if (prefix === "/usr" || prefix === "/usr/local") return;
  for (const name of (await readdir(library)).filter((file) => file.startsWith("_sysconfigdata"))) {
    const path = join(library, name);
    await writeFile(path, (await readFile(path, "utf8")).replaceAll(prefix, CONTAINER_PREFIX));
  }
}

/** What the interpreter and the extensions of its standard library load, beside the C library. */
async function copySharedLibraries(
  directory: string,
  library: string,
  { executable, libraryDir }: FoundPython,
): Promise<void> {
  const extensions = (await readdir(join(library, "lib-dynload")))
    .filter((name) => name.endsWith(".so"))
    .map((name) => join(libraryDir, "lib-dynload", name));
  // The dynamic linker lists what it would load, for all at once: ldd takes a quarter of a minute for so many.
  const trace = ["LD_TRACE_LOADED_OBJECTS=1", `LD_PRELOAD=${extensions.join(":")}`, executable];
  const listing = await runCommand("env", trace, { timeoutMs: COMPILE_TIMEOUT_MS });
  const paths = new Map(
    [...listing.matchAll(/^\s+(\S+) => (\/\S+) \(0x[0-9a-f]+\)$/gm)].map(([, name, path]) => [name ?? "", path ?? ""]),
  );
  for (const [name, path] of paths) {
    if (!C_LIBRARY.test(name)) await copyFile(path, join(directory, "lib", basename(name)));
  }
}

/** What is not compiled yet would be compiled anew in each container, whose files are read-only. */
async function compile(binary: string, directory: string, library: string): Promise<void> {
  // Compiled files name their sources as containers see them.
  const names = ["-s", directory, "-p", CONTAINER_PREFIX];
  const compileAll = [binary, "-I", "-m", "compileall", "-q", ...names, library];
  // Some files of other people are no Python of this version; they are found out when somebody imports them. A machine that
  // has joined runs functions meanwhile, so this takes what they leave.
  const script = `umask 022; cd /; export LD_LIBRARY_PATH="$0"; nice -n 10 "$@" >/dev/null 2>&1; exec "$1" -I -c "import ssl, sqlite3, json, logging"`;
  await runCommand("/bin/sh", ["-c", script, join(directory, "lib"), ...compileAll], { timeoutMs: COMPILE_TIMEOUT_MS });
}

async function removeOld(imagesDir: string, runtime: PythonRuntime): Promise<void> {
  const names = (await readdir(imagesDir)).filter((name) => name.startsWith(`${runtime}-`));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, modifiedMs: (await stat(join(imagesDir, name))).mtimeMs })),
  );
  const old = dated.sort((a, b) => b.modifiedMs - a.modifiedMs).slice(HOMES_KEPT);
  await Promise.all(old.map(({ name }) => rm(join(imagesDir, name), { recursive: true, force: true })));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
