import { createHash } from "node:crypto";
import { constants, existsSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/**
 * What Node.js functions find without bringing it, as on Lambda: the clients that functions use most. AWS's own runtimes
 * have all four hundred; who needs another one bundles it.
 */
const PACKAGES = [
  "@aws-sdk/client-cloudwatch-logs",
  "@aws-sdk/client-dynamodb",
  "@aws-sdk/client-eventbridge",
  "@aws-sdk/client-lambda",
  "@aws-sdk/client-s3",
  "@aws-sdk/client-secrets-manager",
  "@aws-sdk/client-sns",
  "@aws-sdk/client-sqs",
  "@aws-sdk/client-ssm",
  "@aws-sdk/client-sts",
  "@aws-sdk/lib-dynamodb",
  "@aws-sdk/s3-request-presigner",
];

/** Most of the files, and what no function loads: types, and the ES modules that are meant for bundlers. */
const NEVER_LOADED = /[\\/]dist-(types|es)$|\.(d\.ts|map|md)$/;

/** One installed package, and where it is to be below `node_modules`: nested where two versions are needed. */
type Installed = { readonly path: string; readonly dir: string; readonly version: string };

export type AwsSdk = {
  /** Differs when anything of it does. */
  readonly id: string;
  readonly packages: readonly Installed[];
};

/** The AWS SDK as npm installed it beside this server; undefined: it did not (`--omit=optional`). */
export function findAwsSdk(): AwsSdk | undefined {
  const found = new Map<string, Installed>();
  const roots = PACKAGES.map((name) => dirOf(name, import.meta.dirname));
  const [first] = roots;
  if (first === undefined || !roots.every((dir) => dir !== undefined)) return undefined;
  const base = dirname(dirname(first));
  for (const waiting = [...roots]; waiting.length > 0; ) {
    const dir = waiting.pop() as string;
    const path = relative(base, dir);
    if (found.has(path) || path.startsWith("..")) continue;
    const { version, dependencies = {} } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as Manifest;
    found.set(path, { path, dir, version });
    for (const name of Object.keys(dependencies)) {
      const dependency = dirOf(name, dir);
      if (dependency !== undefined) waiting.push(dependency);
    }
  }
  const packages = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const names = packages.map(({ path, version }) => `${path}@${version}`).join();
  return { id: createHash("sha256").update(names).digest("hex").slice(0, 16), packages };
}

/** Writes it below a folder that is to be found as `node_modules`. */
export async function copyAwsSdk({ packages }: AwsSdk, folder: string): Promise<void> {
  await Promise.all(
    packages.map(async ({ path, dir }) => {
      const target = join(folder, path);
      await mkdir(target, { recursive: true });
      // Whatever this process's umask is, containers read it.
      for (let made = target; made !== folder; made = dirname(made)) await chmod(made, 0o755);
      await cp(dir, target, {
        recursive: true,
        mode: constants.COPYFILE_FICLONE,
        // Packages below it are found by themselves, if anything needs them.
        filter: (source) => !NEVER_LOADED.test(source) && source !== join(dir, "node_modules"),
      });
    }),
  );
}

type Manifest = {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
};

/** As Node looks for it: upwards, from where it is asked for. */
function dirOf(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const dir = join(folder, "node_modules", name);
    if (existsSync(join(dir, "package.json"))) return dir;
    if (folder === dirname(folder)) return undefined;
  }
}
