import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

const hasCpio = spawnSync("cpio", ["--version"]).status === 0;
const HEADER_BYTES = 110;

const file = (path: string, bytes: Uint8Array): CpioEntry => ({
  path,
  content: { kind: "file", bytes, isExecutable: false },
});

describe("an archive for the kernel", () => {
  test("has each record at a multiple of four, whatever the lengths of names and contents", () => {
    const entry = fc.record({
      path: fc.stringMatching(/^[a-z]{1,40}$/),
      bytes: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        const archive = cpioArchive(entries.map(({ path, bytes }) => file(path, bytes)));
        const found = recordsOf(archive);
        expect(found.map(({ path }) => path)).toEqual([...entries.map(({ path }) => path), "TRAILER!!!"]);
        found.slice(0, -1).forEach(({ bytes }, at) => {
          expect(bytes).toEqual(Buffer.from(entries[at]?.bytes ?? []));
        });
      }),
    );
  });

  test("is unpacked by cpio as it was meant", skipUnless(hasCpio, "needs cpio"), () => {
    const directory = mkdtempSync(join(tmpdir(), "hearth-cpio-"));
    try {
      const archive = cpioArchive([
        { path: "bin", content: { kind: "folder" } },
        { path: "bin/run", content: { kind: "file", bytes: Buffer.from("#!/bin/sh\n"), isExecutable: true } },
        file("note", Buffer.from("text")),
      ]);
      execFileSync("cpio", ["-i", "--quiet"], { cwd: directory, input: archive });
      expect(readFileSync(join(directory, "note"), "utf8")).toBe("text");
      expect(statSync(join(directory, "bin/run")).mode & 0o777).toBe(0o755);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

/** As the kernel reads it (init/initramfs.c). */
function recordsOf(archive: Buffer): { path: string; bytes: Buffer }[] {
  const records = [];
  for (let at = 0; at < archive.length; ) {
    expect(at % 4).toBe(0);
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const number = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + HEADER_BYTES + number(11);
    const path = archive.toString("latin1", at + HEADER_BYTES, nameEnd - 1);
    const start = aligned(nameEnd);
    records.push({ path, bytes: archive.subarray(start, start + number(6)) });
    at = aligned(start + number(6));
  }
  return records;
}

function aligned(at: number): number {
  return Math.ceil(at / 4) * 4;
}
