import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** One module of the kernel, as its file says. */
export type KernelModule = { readonly name: string; readonly path: string };

const SUFFIX = ".ko";

/**
 * The modules and all that they need, in an order in which each can be loaded. What is built into the kernel has no file
 * and is left out of what others need.
 *
 * @param directory `lib/modules/RELEASE`.
 * @throws Error naming a module that was asked for and is not there.
 */
export async function orderModules(directory: string, wanted: readonly string[]): Promise<KernelModule[]> {
  const paths = await findModules(directory);
  const ordered = new Map<string, KernelModule>();

  async function add(name: string, isWanted: boolean): Promise<void> {
    if (ordered.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) {
      if (isWanted) throw new Error(`the kernel has no module ${name}`);
      return;
    }
    for (const other of modulesNeededBy(await readFile(path))) await add(other, false);
    ordered.set(name, { name, path });
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
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => [canonical(basename(file, SUFFIX)), join(directory, "kernel", file)]),
  );
}

/** File names have `-` where the kernel says `_`. */
function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
