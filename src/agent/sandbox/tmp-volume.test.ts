import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { mountFileSystem, unmount } from "../../host/mount.ts";
import { diskTmpVolumes } from "./tmp-volume.ts";

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

describe("volumes on disk", skipUnless(isRoot, "needs Linux and root"), () => {
  test("are not made on a disk that is nearly full, and it is told so", () => {
    const disk = mkdtempSync(join(tmpdir(), "hearth-small-disk-"));
    mountFileSystem("tmpfs", "tmpfs", disk, "size=64m");
    try {
      expect(() => diskTmpVolumes(disk).mount("/nowhere", 16)).toThrow(/has 64 MiB free, of which 1024 are kept/);
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      unmount(disk);
      rmdirSync(disk);
    }
  });
});
