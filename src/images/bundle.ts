import { createHash, randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
// biome-ignore lint/style/noRestrictedImports: the runtime itself says how it is bundled; nothing of it runs here.
import { bundleNodeRuntime } from "../runtimes/node/bundle.ts";

export type Bundles = {
  /** The agent in one file, to be run by the Node that runs Hearth. */
  readonly agentBundlePath: string;
  /** Folder with `node-runtime.cjs`, `python-runtime.py` and `custom-runtime.sh`. */
  readonly runtimesDir: string;
};

export type HostBundles = Bundles & {
  /** The host agent in one file, for machines without an installation of Hearth; the folder is all it needs beside Node. */
  readonly hostAgentBundlePath: string;
};

const SOURCE_DIR = fileURLToPath(new URL("..", import.meta.url));
const AGENT_FILE = "agent.mjs";
const NODE_RUNTIME_FILE = "node-runtime.cjs";
const PYTHON_RUNTIME_FILE = "python-runtime.py";
const CUSTOM_RUNTIME_FILE = "custom-runtime.sh";
const FILES = [AGENT_FILE, NODE_RUNTIME_FILE, PYTHON_RUNTIME_FILE, CUSTOM_RUNTIME_FILE];
const HOST_AGENT_FILE = "host-agent.mjs";
/** Packages of the older kind ask for `require` while they run. */
const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
const AWS_SDK = "/node_modules";
const HASH_DIGITS = 16;
const PREFIX = "bundle-";
/** Bundles that stay when a new one is made: instances of an earlier server may still start runtimes from theirs. */
const BUNDLES_KEPT = 3;

/**
 * Bundles the agent and the runtimes into one folder below `imagesDir`, named for its content: the
 * same sources give the same folder. It appears at once and whole: several servers may do this on
 * the same folder.
 *
 * @throws Error when a source does not build or the folder cannot be written.
 */
export function buildBundles(imagesDir: string): Promise<Bundles> {
  return buildInto(imagesDir, FILES, async () => {});
}

/** The same with the host agent beside them, for machines that are made by a server. @param version of this Hearth. */
export async function buildHostBundles(imagesDir: string, version: string): Promise<HostBundles> {
  const bundles = await buildInto(imagesDir, [...FILES, HOST_AGENT_FILE], (draft) =>
    bundleHostAgent(join(draft, HOST_AGENT_FILE), version),
  );
  return { ...bundles, hostAgentBundlePath: join(bundles.runtimesDir, HOST_AGENT_FILE) };
}

async function buildInto(
  imagesDir: string,
  files: readonly string[],
  bundleMore: (draft: string) => Promise<void>,
): Promise<Bundles> {
  const draft = join(imagesDir, `draft-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    await Promise.all([
      bundleAgent(join(draft, AGENT_FILE)),
      bundleNodeRuntime(join(draft, NODE_RUNTIME_FILE)),
      copyFile(join(SOURCE_DIR, "runtimes/python", PYTHON_RUNTIME_FILE), join(draft, PYTHON_RUNTIME_FILE)),
      copyFile(join(SOURCE_DIR, "runtimes/custom", CUSTOM_RUNTIME_FILE), join(draft, CUSTOM_RUNTIME_FILE)),
      bundleMore(draft),
      // Where functions look for the AWS SDK; the containers' root folder has it, or not.
      symlink(AWS_SDK, join(draft, "node_modules")),
    ]);
    const directory = join(imagesDir, `${PREFIX}${await hashOf(draft, files)}`);
    if (!(await exists(directory))) await publish(draft, directory, files);
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

async function bundleHostAgent(outfile: string, version: string): Promise<void> {
  await build({
    entryPoints: [join(SOURCE_DIR, "host-agent/main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    banner: { js: REQUIRE },
    define: { HEARTH_VERSION: JSON.stringify(version) },
    legalComments: "none",
    logLevel: "silent",
  });
}

async function hashOf(directory: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const name of files) {
    const bytes = await readFile(join(directory, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex").slice(0, HASH_DIGITS);
}

async function publish(draft: string, directory: string, files: readonly string[]): Promise<void> {
  // Containers run under other users, whatever the umask.
  await chmod(draft, 0o755);
  for (const name of files) await chmod(join(draft, name), name === CUSTOM_RUNTIME_FILE ? 0o755 : 0o644);
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
