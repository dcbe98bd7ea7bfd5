import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A folder that lives as long as the run of the tests; undefined: nothing is shared. */
const SHARED_DIR = process.env["HEARTH_TEST_IMAGES"];
/** Whole, named for their content and never changed: other names are of what is being made. */
const WHOLE = /^(base|bundle|python3\.\d+)-[0-9a-f]+(\.json)?$/;

/**
 * The first server of a run makes images as on a new machine; the others find what it made, as links to the same files.
 * @param dataDir of a server that was not started yet.
 */
export function takeImages(dataDir: string): void {
  if (SHARED_DIR !== undefined) link(SHARED_DIR, imagesOf(dataDir));
}

/** Keeps what a server made for those after it. */
export function keepImages(dataDir: string): void {
  if (SHARED_DIR !== undefined && existsSync(imagesOf(dataDir))) link(imagesOf(dataDir), SHARED_DIR);
}

function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(from).filter((each) => WHOLE.test(each) && !existsSync(join(to, each)))) {
    const draft = join(to, `draft-${randomUUID()}`);
    try {
      execFileSync("cp", ["--archive", "--link", join(from, name), draft], { stdio: "ignore" });
      renameSync(draft, join(to, name));
    } catch {
      // On another disk there are no links to it: that server makes its own. Or somebody else was faster.
      rmSync(draft, { recursive: true, force: true });
    }
  }
}

function imagesOf(dataDir: string): string {
  return join(dataDir, "images");
}
