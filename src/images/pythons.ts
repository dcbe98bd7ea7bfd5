import { open, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { runCommand, SYSTEM_PATH } from "../host/command.ts";
import { isPythonRuntime, type PythonRuntime, RUNTIMES } from "../model/runtime.ts";

/** The managed runtimes that are a Python of a certain version. */
export const PYTHON_RUNTIMES: readonly PythonRuntime[] = RUNTIMES.filter(isPythonRuntime);

const PROBE = fileURLToPath(new URL("python-probe.py", import.meta.url));
const PROBE_TIMEOUT_MS = 30_000;

const foundSchema = z.object({
  /** `3.11.2` */
  version: z.string(),
  /** Links followed. */
  executable: z.string(),
  /** Folder that has `bin/python3.…` and `lib/python3.…`. */
  prefix: z.string(),
  /** Its standard library. */
  libraryDir: z.string(),
  /** boto3 as this interpreter would import it, and the files and folders of what belongs to it. */
  sdk: z.object({ version: z.string(), paths: z.array(z.string()) }).nullable(),
});
/** A Python interpreter of this host. */
export type FoundPython = z.infer<typeof foundSchema>;

/** By runtime; one that is absent has no interpreter here. */
export type FoundPythons = Readonly<Partial<Record<PythonRuntime, FoundPython>>>;

/**
 * Looks for an interpreter of each Python runtime, and takes the first that works: `python3.…` in the folders of PATH,
 * then the newest of that version which pyenv installed (`PYENV_ROOT`, else `~/.pyenv`), then the system's folders.
 * Scripts in an interpreter's place (pyenv's shims) are passed over: what they start depends on the folder.
 */
export async function findPythons(environment: NodeJS.ProcessEnv = process.env): Promise<FoundPythons> {
  const found = await Promise.all(
    PYTHON_RUNTIMES.map(async (runtime) => [runtime, await findPython(runtime, environment)] as const),
  );
  return Object.fromEntries(found.filter(([, python]) => python !== undefined));
}

async function findPython(runtime: PythonRuntime, environment: NodeJS.ProcessEnv): Promise<FoundPython | undefined> {
  for (const path of await candidates(runtime, environment)) {
    const python = (await isProgram(path)) ? await probePython(path) : undefined;
    if (python?.version.startsWith(`${runtime.slice("python".length)}.`)) return python;
  }
  return undefined;
}

async function candidates(runtime: PythonRuntime, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const onPath = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
  const ofPyenv = await pyenvFolders(runtime, environment["PYENV_ROOT"] ?? join(homedir(), ".pyenv"));
  const folders = new Set([...onPath, ...ofPyenv, ...SYSTEM_PATH.split(delimiter), "/opt/homebrew/bin"]);
  return [...folders].map((folder) => join(folder, runtime));
}

async function pyenvFolders(runtime: PythonRuntime, root: string): Promise<string[]> {
  const names = await readdir(join(root, "versions")).catch(() => []);
  const patchOf = (name: string) => Number(name.split(".")[2]);
  return names
    .filter((name) => name.startsWith(`${runtime.slice("python".length)}.`) && Number.isInteger(patchOf(name)))
    .sort((a, b) => patchOf(b) - patchOf(a))
    .map((name) => join(root, "versions", name, "bin"));
}

/** Whether there is a file, and no script. */
async function isProgram(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.toString() !== "#!";
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

/** @returns undefined when there is no interpreter that runs. */
export async function probePython(path: string): Promise<FoundPython | undefined> {
  try {
    return foundSchema.parse(JSON.parse(await runCommand(path, ["-I", PROBE], { timeoutMs: PROBE_TIMEOUT_MS })));
  } catch {
    return undefined;
  }
}
