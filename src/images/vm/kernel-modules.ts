import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";

/** One module of the kernel, as the kernel takes it from an initial RAM disk that is made to be unpacked fast. */
export type KernelModule = { readonly name: string; readonly bytes: Buffer };

/** Debian 12 has modules as they are, Debian 13 compresses them by xz, Ubuntu by zstd. */
const FILE = /\.ko(\.(xz|zst|gz))?$/;
/** A module is some hundred KiB. */
const MODULE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The modules and all that they need, in an order in which each can be loaded. What is built into the kernel has no file
 * and is left out.
 *
 * @param directory `lib/modules/RELEASE`.
 * @throws Error naming a module that was asked for and is not there.
 */
export async function orderModules(directory: string, wanted: readonly string[]): Promise<KernelModule[]> {
  const paths = await findModules(directory);
  const builtIn = await findBuiltIn(directory);
  const ordered = new Map<string, KernelModule>();

  async function add(name: string, isWanted: boolean): Promise<void> {
    if (ordered.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) {
      if (isWanted && !builtIn.has(name)) throw new Error(`the kernel has no module ${name}`);
      return;
    }
    const bytes = await readModule(path);
    for (const other of modulesNeededBy(bytes)) await add(other, false);
    ordered.set(name, { name, bytes });
  }

  for (const name of wanted) await add(name, true);
  return [...ordered.values()];
}

/** The names after `depends=` in a module's `.modinfo` section, which is a list of strings that end in a zero. */
export function modulesNeededBy(module: Buffer): string[] {
  const KEY = "\0depends=";
  const start = module.indexOf(KEY, 0, "latin1");
  if (start < 0) return [];
  const from = start + KEY.length;
  const names = module.toString("latin1", from, module.indexOf(0, from));
  return names.split(",").filter(Boolean).map(canonical);
}

async function findModules(directory: string): Promise<Map<string, string>> {
  const files = await readdir(join(directory, "kernel"), { recursive: true });
  return new Map(
    files
      .filter((file) => FILE.test(file))
      .map((file) => [canonical(basename(file).replace(FILE, "")), join(directory, "kernel", file)]),
  );
}

/** Lines of paths, as `kernel/drivers/virtio/virtio.ko`; without the file nothing is known to be built in. */
async function findBuiltIn(directory: string): Promise<ReadonlySet<string>> {
  const text = await readFile(join(directory, "modules.builtin"), "utf8").catch(() => "");
  return new Set(text.split("\n").map((path) => canonical(basename(path.trim()).replace(FILE, ""))));
}

async function readModule(path: string): Promise<Buffer> {
  switch (FILE.exec(path)?.[2]) {
    case "gz":
      return promisify(gunzip)(await readFile(path));
    case "zst":
      return promisify(zstdDecompress)(await readFile(path));
    case "xz":
      return unpackXz(path);
    default:
      return readFile(path);
  }
}

/** Node.js has no xz. @throws Error saying what to install. */
async function unpackXz(path: string): Promise<Buffer> {
  const options = { encoding: "buffer", maxBuffer: MODULE_BYTES_MAX } as const;
  try {
    return (await promisify(execFile)("xz", ["--decompress", "--stdout", path], options)).stdout;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const remedy = isMissing ? "xz is missing: apt-get install xz-utils" : (cause as Error).message;
    throw new Error(`the kernel's module ${basename(path)} cannot be unpacked: ${remedy}`, { cause });
  }
}

/** File names have `-` where the kernel says `_`. */
function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
