import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `work` with a folder that is gone afterwards. `folder` makes a named one inside it. */
export async function inWorkspace<T>(work: (folder: (name: string) => string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "hearth-bench-"));
  try {
    return await work((name) => {
      const path = join(root, name);
      mkdirSync(path, { recursive: true });
      return path;
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
