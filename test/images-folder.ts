import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Servers and machines of one run of the tests share the images that they make (`made-images.ts`). */
export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), "hearth-test-images-"));
  process.env["HEARTH_TEST_IMAGES"] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
