import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeAllAlike, whyNoPython } from "./build-vm-image.ts";
import { SOURCE_DATE_EPOCH_S } from "./debian-system.ts";

test("all files of an image get one age and plain modes, and what links lead to outside of it keeps its own", async () => {
  const directory = mkdtempSync(join(tmpdir(), "hearth-ages-"));
  const root = join(directory, "root");
  const outside = join(directory, "outside");
  try {
    for (const folder of [join(root, "deep"), outside]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(root, "deep/file"), "ours", { mode: 0o600 });
    writeFileSync(join(root, "deep/program"), "ours");
    chmodSync(join(root, "deep/program"), 0o4750);
    writeFileSync(join(outside, "file"), "the host's");
    symlinkSync(outside, join(root, "link"));
    const before = [outside, join(outside, "file")].map((path) => statSync(path).mtimeMs);
    await makeAllAlike(root);
    expect(statSync(join(root, "deep/file")).mode & 0o7777).toBe(0o644);
    expect(statSync(join(root, "deep/program")).mode & 0o7777).toBe(0o755);
    for (const path of ["deep", "deep/file", "link"]) {
      expect(lstatSync(join(root, path)).mtimeMs, path).toBe(SOURCE_DATE_EPOCH_S * 1000);
    }
    expect([outside, join(outside, "file")].map((path) => statSync(path).mtimeMs)).toEqual(before);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a release whose Python is of no runtime is named with the runtimes that there are", async () => {
  const root = mkdtempSync(join(tmpdir(), "hearth-root-"));
  try {
    mkdirSync(join(root, "usr/bin"), { recursive: true });
    symlinkSync("python3.9", join(root, "usr/bin/python3"));
    expect(await whyNoPython(root, "bullseye")).toBe(
      "no function in Python will run in this image: bullseye has python3.9, which is none of python3.11, python3.12, python3.13, python3.14",
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});
