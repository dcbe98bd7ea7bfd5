import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Writes the managed Node.js runtime as one CommonJS file that Node 22 and newer can run:
 * `node [NODE_ARGUMENTS] outfile`, with the agent's socket as file descriptor 3.
 */
export async function bundleNodeRuntime(outfile: string): Promise<void> {
  await build({
    entryPoints: [path("./main.ts")],
    inject: [path("./pristine-json.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node22.12",
    format: "cjs",
    legalComments: "none",
    logLevel: "silent",
    // While it warms up, the runtime loads this file again to exercise the loaders; only the first time counts.
    banner: { js: "if (require.main !== module) return;" },
  });
}
