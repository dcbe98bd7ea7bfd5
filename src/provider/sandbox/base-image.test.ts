import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { ensureBaseImage, parseLdd } from "./base-image.ts";

test("libraries that ldd lists", () => {
  const listing = [
    "/usr/bin/sh:",
    "\tlinux-vdso.so.1 (0x00007ffd5e5f2000)",
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1b2c000000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f1b2c3f0000)",
    "\tnot a dynamic executable",
  ].join("\n");
  expect(parseLdd(listing)).toEqual(["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
});

/** Some hundred files are copied; the disk may be busy. */
const MADE_MS_MAX = 60_000;

describe("the base image", skipUnless(process.platform === "linux", "needs Linux"), () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "hearth-images-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("is made once, whole, readable by all, and tells nothing of the host", { timeout: MADE_MS_MAX }, async () => {
    mkdirSync(join(directory, "unfinished-base-0123-99"));
    const image = await ensureBaseImage(directory, [], true);
    const madeMs = statSync(image).ctimeMs;
    for (const path of ["usr/bin/sh", "var/task", "var/runtime", "var/lang/bin/node", "tmp", "etc/passwd"]) {
      expect(statSync(join(image, path)), path).toBeDefined();
    }
    expect(statSync(image).mode & 0o777).toBe(0o755);
    expect(readdirSync(image).filter((name) => name.startsWith("."))).toEqual([]);
    expect(await ensureBaseImage(directory, [], true)).toBe(image);
    expect(statSync(image).ctimeMs).toBe(madeMs);
    expect(readdirSync(directory).length).toBe(2);
  });

  test("is made anew for other inputs; older ones stay while they may be in use", {
    timeout: MADE_MS_MAX,
  }, async () => {
    const binary = join(directory, "binary");
    writeFileSync(binary, "not a program", { mode: 0o755 });
    const first = await ensureBaseImage(directory, [], true);
    const second = await ensureBaseImage(directory, [binary], false);
    expect(second).not.toBe(first);
    expect(statSync(first).isDirectory()).toBe(true);
    await ensureBaseImage(directory, [binary], true);
    expect(() => statSync(first)).toThrow("ENOENT");
  });
});
