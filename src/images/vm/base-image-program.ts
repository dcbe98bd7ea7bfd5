import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const SANDBOX_DIR = fileURLToPath(new URL("../../provider/sandbox", import.meta.url));
/** What the program asks interpreters with; it must lie beside it. */
export const PYTHON_PROBE = fileURLToPath(new URL("../python-probe.py", import.meta.url));

/**
 * A program that makes the root folder of containers out of the system it runs in, as the sandbox provider does, and a
 * home of each Python that the system has: `node PROGRAM IMAGES_DIR PYTHONS_DIR NODE_BINARY…`. It writes what each of them is,
 * by runtime, as JSON to standard output. It runs in the guest's system while that is built, for looking up libraries and
 * compiling take seconds where processors are emulated.
 */
export async function bundleBaseImageProgram(outfile: string): Promise<void> {
  await build({
    stdin: {
      contents: `
        import { join } from "node:path";
        import { describePython, makePythonHome } from "../../images/python-homes.ts";
        import { findPythons } from "../../images/pythons.ts";
        import { ensureBaseImage } from "./base-image.ts";
        const [imagesDir, pythonsDir, ...nodeBinaries] = process.argv.slice(2);
        await ensureBaseImage(imagesDir, nodeBinaries, false);
        const pythons = {};
        for (const [runtime, python] of Object.entries(await findPythons({}))) {
          await makePythonHome(join(pythonsDir, runtime), runtime, python, python.sdk);
          pythons[runtime] = describePython(python, python.sdk);
        }
        process.stdout.write(JSON.stringify(pythons));`,
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
