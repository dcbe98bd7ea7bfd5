import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../skip.ts";

const canMount = process.platform === "linux" && process.getuid?.() === 0;

export const needsSmallDisk = skipUnless(canMount, "needs Linux and root to mount a small file system");

/** A file system of its own in memory. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), "hearth-disk-"));

  constructor(mebibytes: number) {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "hearth-test", this.path]);
  }

  fill(): void {
    const ballast = openSync(join(this.path, "ballast"), "w");
    const block = Buffer.alloc(4096);
    try {
      for (;;) writeSync(ballast, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(ballast);
    }
  }

  free(): void {
    rmSync(join(this.path, "ballast"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    execFileSync("umount", [this.path]);
    rmdirSync(this.path);
  }
}
