import { createHash, randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
// biome-ignore lint/style/noRestrictedImports: the runtime itself says how it is bundled; nothing of it runs here.
import { bundleNodeRuntime } from "../runtimes/node/bundle.ts";

export type Bundles = {
  /** The agent in one file, to be run by the Node that runs Hearth. */
  readonly agentBundlePath: string;
  /** Folder with `node-runtime.cjs` and `custom-runtime.sh`. */
  readonly runtimesDir: string;
};

const SOURCE_DIR = fileURLToPath(new URL("..", import.meta.url));
const AGENT_FILE = "agent.mjs";
const NODE_RUNTIME_FILE = "node-runtime.cjs";
const CUSTOM_RUNTIME_FILE = "custom-runtime.sh";
const FILES = [AGENT_FILE, NODE_RUNTIME_FILE, CUSTOM_RUNTIME_FILE];
const HASH_DIGITS = 16;
const PREFIX = "bundle-";
/** Bundles that stay when a new one is made: instances of an earlier server may still start runtimes from theirs. */
const BUNDLES_KEPT = 2;

/**
 * Bundles the agent and the runtimes into one folder below `imagesDir`, named for its content: the
 * same sources give the same folder. It appears at once and whole: several servers may do this on
 * the same folder.
 *
 * @throws Error when a source does not build or the folder cannot be written.
 */
export async function buildBundles(imagesDir: string): Promise<Bundles> {
  const draft = join(imagesDir, `draft-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    await Promise.all([
      bundleAgent(join(draft, AGENT_FILE)),
      bundleNodeRuntime(join(draft, NODE_RUNTIME_FILE)),
      copyFile(join(SOURCE_DIR, "runtimes/custom", CUSTOM_RUNTIME_FILE), join(draft, CUSTOM_RUNTIME_FILE)),
    ]);
    const directory = join(imagesDir, `${PREFIX}${await hashOf(draft)}`);
    if (!(await exists(directory))) await publish(draft, directory);
    // The newest is the one that was used last.
    await utimes(directory, new Date(), new Date());
    await removeOld(imagesDir);
    return { agentBundlePath: join(directory, AGENT_FILE), runtimesDir: directory };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function bundleAgent(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(SOURCE_DIR, "agent/main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    legalComments: "none",
    logLevel: "silent",
  });
}

async function hashOf(directory: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of FILES) {
    const bytes = await readFile(join(directory, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex").slice(0, HASH_DIGITS);
}

async function publish(draft: string, directory: string): Promise<void> {
  // Containers run under other users, whatever the umask.
  await chmod(draft, 0o755);
  for (const name of FILES) await chmod(join(draft, name), name === CUSTOM_RUNTIME_FILE ? 0o755 : 0o644);
  try {
    await rename(draft, directory);
  } catch (error) {
    if (!(await exists(directory))) throw error;
  }
}

async function removeOld(imagesDir: string): Promise<void> {
  const names = (await readdir(imagesDir)).filter((name) => name.startsWith(PREFIX));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, modifiedMs: (await stat(join(imagesDir, name))).mtimeMs })),
  );
  const old = dated.sort((a, b) => b.modifiedMs - a.modifiedMs).slice(BUNDLES_KEPT);
  await Promise.all(old.map(({ name }) => rm(join(imagesDir, name), { recursive: true, force: true })));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
