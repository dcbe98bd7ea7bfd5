import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const SANDBOX_DIR = fileURLToPath(new URL("../../provider/sandbox", import.meta.url));

/**
 * A program that makes the root folder of containers out of the system it runs in, as the sandbox provider does:
 * `node PROGRAM IMAGES_DIR NODE_BINARY…`. It runs in the guest's system while that is built, for looking up
 * libraries takes seconds where processors are emulated.
 */
export async function bundleBaseImageProgram(outfile: string): Promise<void> {
  await build({
    stdin: {
      contents: `
        import { ensureBaseImage } from "./base-image.ts";
        const [imagesDir, ...nodeBinaries] = process.argv.slice(2);
        await ensureBaseImage(imagesDir, nodeBinaries, false);`,
      resolveDir: SANDBOX_DIR,
      loader: "ts",
    },
    outfile,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    legalComments: "none",
    logLevel: "silent",
  });
}
