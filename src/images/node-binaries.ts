import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { RuntimeName } from "../model/runtime.ts";

/** The managed runtimes that are a Node of a certain version. */
export const NODE_RUNTIMES = ["nodejs22.x", "nodejs24.x"] as const satisfies readonly RuntimeName[];
type NodeRuntime = (typeof NODE_RUNTIMES)[number];

export type NodeBinaries = {
  readonly paths: Readonly<Partial<Record<NodeRuntime, string>>>;
  /** What npm did not install on this host; its functions cannot run here. */
  readonly missing: readonly NodeRuntime[];
};

const require = createRequire(import.meta.url);

/** The Node binary of each managed runtime, from the optional npm packages `RUNTIME-PLATFORM-ARCHITECTURE`. */
export function findNodeBinaries(platform = process.platform, architecture = process.arch): NodeBinaries {
  const found = NODE_RUNTIMES.map(
    (runtime) => [runtime, findBinary(`${runtime}-${platform}-${architecture}`)] as const,
  );
  return {
    paths: Object.fromEntries(found.filter(([, path]) => path !== undefined)),
    missing: found.filter(([, path]) => path === undefined).map(([runtime]) => runtime),
  };
}

function findBinary(packageName: string): string | undefined {
  try {
    const path = join(dirname(require.resolve(`${packageName}/package.json`)), "bin/node");
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined; // Not installed.
  }
}
