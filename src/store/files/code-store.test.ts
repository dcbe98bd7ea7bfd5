import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CodeStore } from "../../ports/code-store.ts";
import { describeCodeStore } from "../../ports/contract/code-store-contract.ts";
import { type ZipEntry, zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import { createFilesCodeStore } from "./code-store.ts";

const LINK = 0o120777;
const FIFO = 0o010644;

let dir: string;
let codeStore: CodeStore;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-code-"));
  codeStore = await createFilesCodeStore(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describeCodeStore("files", async () => ({ codeStore, close: () => {} }));

const put = async (entries: readonly ZipEntry[]) =>
  codeStore.dir((await codeStore.put(zipOfEntries(entries))).sha256Hex);

test("execute bits, folders and links are kept, readable by everyone", async () => {
  const code = await put([
    { name: "bootstrap", data: "#!/bin/sh", mode: 0o100755 },
    { name: "private.txt", data: "x", mode: 0o100600 },
    { name: "a/", mode: 0o040700 },
    { name: "a/b/c.txt", data: "deep" },
    { name: "a/link", data: "b/c.txt", mode: LINK },
    { name: "dangling", data: "a/nothing", mode: LINK },
  ]);
  const mode = (path: string) => statSync(join(code, path)).mode & 0o777;
  expect(mode(".")).toBe(0o755);
  expect(mode("bootstrap")).toBe(0o755);
  expect(mode("private.txt")).toBe(0o644);
  expect([mode("a"), mode("a/b")]).toEqual([0o755, 0o755]);
  expect(readFileSync(join(code, "a/link"), "utf8")).toBe("deep");
  expect(readlinkSync(join(code, "dangling"))).toBe("a/nothing");
});

describe("archives that are refused, leaving nothing behind", () => {
  const corrupt: Record<string, ZipEntry[]> = {
    "zip slip": [{ name: "../evil", data: "x" }],
    "zip slip inside a path": [{ name: "a/../../evil", data: "x" }],
    "zip slip by backslashes": [{ name: "..\\evil", data: "x" }],
    "an absolute path": [{ name: "/etc/evil", data: "x" }],
    "a drive": [{ name: "C:/evil", data: "x" }],
    "two of one name": [
      { name: "a", data: "1" },
      { name: "a", data: "2" },
    ],
    "two spellings of one name": [
      { name: "a/b", data: "1" },
      { name: "a//b", data: "2" },
    ],
    "a file that is also a folder": [
      { name: "a", data: "1" },
      { name: "a/b", data: "2" },
    ],
    "a NUL in a name": [{ name: "a\0b", data: "1" }],
    "a wrong checksum": [{ name: "a", data: "1", crc: 1 }],
    "a size that is not so": [{ name: "a", data: "1234", claimedBytes: 3 }],
    encryption: [{ name: "a", data: "1", flags: 0x801 }],
    "an unknown method": [{ name: "a", data: "1", method: 99 }],
    "a special file": [{ name: "a", mode: FIFO }],
    "an absolute link": [{ name: "a", data: "/etc/passwd", mode: LINK }],
    "a link out": [{ name: "a/b", data: "../../x", mode: LINK }],
    "an empty link": [{ name: "a", data: "", mode: LINK }],
    "a link that is too long": [{ name: "a", data: "b/".repeat(5000), mode: LINK }],
    "a file through a link": [
      { name: "a", data: ".", mode: LINK },
      { name: "a/b", data: "x" },
    ],
    "a chain of links that leaves": [
      { name: "d/e/file", data: "x" },
      { name: "up", data: "d/e", mode: LINK },
      { name: "out", data: "up/../../..", mode: LINK },
    ],
    "links that lead to each other": [
      { name: "a", data: "b", mode: LINK },
      { name: "b", data: "a", mode: LINK },
    ],
    "a name too long for the disk": [{ name: "a".repeat(300), data: "x" }],
    "folders too deep": [{ name: `${"a/".repeat(128)}file`, data: "x" }],
  };
  for (const [what, entries] of Object.entries(corrupt)) {
    test(what, async () => {
      await expect(codeStore.put(zipOfEntries(entries))).rejects.toMatchObject({ code: "CODE_CORRUPT" });
      expect(readdirSync(dir)).toEqual([]);
    });
  }

  test("a bomb, counted as it inflates and not as its headers claim", { timeout: 60_000 }, async () => {
    const megabytes = Buffer.alloc(64 * 1024 * 1024);
    const entries = Array.from({ length: 4 }, (_, index) => ({ name: `f${index}`, data: megabytes }));
    await expect(codeStore.check(zipOfEntries(entries))).rejects.toMatchObject({ code: "CODE_TOO_LARGE" });
    const liar = zipOfEntries(entries.map((entry) => ({ ...entry, claimedBytes: 10 })));
    await expect(codeStore.put(liar)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("the count of what an archive makes", () => {
  test("includes the folders that names only imply", async () => {
    const folders = "d/".repeat(120);
    const entries = Array.from({ length: 550 }, (_, index) => ({ name: `${index}/${folders}file` }));
    await expect(codeStore.check(zipOfEntries(entries))).rejects.toMatchObject({ code: "CODE_TOO_LARGE" });
    await codeStore.check(zipOfEntries(entries.slice(0, 537)));
  });

  test("takes a folder once, named or implied", async () => {
    const entries = Array.from({ length: 22_000 }, (_, index) => [
      { name: `${index}/a`, stored: true },
      { name: `${index}/`, stored: true },
    ]);
    await codeStore.check(zipOfEntries(entries.flat()));
  });
});

test("a deployment does not wait for another's long unpacking", async () => {
  const done: string[] = [];
  const many = Array.from({ length: 500 }, (_, index) => ({ name: `d${index}/file`, data: "x" }));
  const large = codeStore.put(zipOfEntries(many)).then(() => done.push("large"));
  const small = codeStore.put(zipOfEntries([{ name: "a", data: "x" }])).then(() => done.push("small"));
  await Promise.all([large, small]);
  expect(done).toEqual(["small", "large"]);
  expect(readdirSync(dir)).toHaveLength(4);
});

test("a store that cannot be read is a failure of the disk, not damaged code", async () => {
  const { sha256Hex } = await codeStore.put(zipOfEntries([{ name: "a", data: "x" }]));
  rmSync(dir, { recursive: true });
  writeFileSync(dir, "no folder");
  await expect(codeStore.verify(sha256Hex)).rejects.toMatchObject({ code: "STORE_FAILED" });
});

test("whatever bytes are changed, the answer is a code or the same files", { timeout: 30_000 }, async () => {
  const zip = zipOfEntries([
    { name: "a/b.txt", data: "some text that deflates deflates deflates" },
    { name: "link", data: "a", mode: LINK },
    { name: "run", data: "#!/bin/sh", mode: 0o100755, stored: true },
  ]);
  const change = fc.tuple(fc.nat(zip.length - 1), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const changed = Buffer.from(zip);
      for (const [offset, value] of changes) changed[offset] = value;
      try {
        await codeStore.put(changed);
      } catch (error) {
        expect(["CODE_CORRUPT", "CODE_TOO_LARGE"]).toContain((error as { code?: string }).code);
      }
      expect(readdirSync(dir).filter((name) => name.startsWith("tmp-"))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("damage on disk is found, and mended by the next deployment", async () => {
  const zip = zipOfEntries([{ name: "a", data: "x" }]);
  const { sha256Hex } = await codeStore.put(zip);
  rmSync(codeStore.dir(sha256Hex), { recursive: true });
  await codeStore.verify(sha256Hex);
  expect(readFileSync(join(codeStore.dir(sha256Hex), "a"), "utf8")).toBe("x");
  writeFileSync(join(dir, `${sha256Hex}.zip`), "spoiled");
  await expect(codeStore.verify(sha256Hex)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
  await codeStore.put(zip);
  await codeStore.verify(sha256Hex);
});

test("what a crash left half done is removed when the store opens", async () => {
  execFileSync("mkdir", ["-p", join(dir, "tmp-1/deep")]);
  writeFileSync(join(dir, "tmp-2"), "x");
  await createFilesCodeStore(dir);
  expect(readdirSync(dir)).toEqual([]);
});

test("the same archive, deployed many times at once, is kept once", async () => {
  const zip = zipOfEntries([{ name: "a", data: "x" }]);
  const codes = await Promise.all(Array.from({ length: 20 }, () => codeStore.put(zip)));
  expect(new Set(codes.map((code) => code.sha256Hex)).size).toBe(1);
  expect(readdirSync(dir)).toHaveLength(2);
});

test("a folder is there as a whole or not at all while it is removed", async () => {
  const files = 2_000;
  const entries = Array.from({ length: files }, (_, i) => ({ name: `f${i}.js`, data: "x" }));
  const code = await put(entries);
  const seen = new Set<number>();
  await codeStore.retain(new Set(), 0);
  let isRemoved = false;
  const removal = codeStore.retain(new Set(), 0).then(() => {
    isRemoved = true;
  });
  while (!isRemoved)
    seen.add(
      await readdir(code).then(
        ({ length }) => length,
        () => 0,
      ),
    );
  await removal;
  seen.add(
    await readdir(code).then(
      ({ length }) => length,
      () => 0,
    ),
  );
  expect([...seen].filter((count) => count !== 0 && count !== files)).toEqual([]);
  expect(seen).toContain(0);
  expect(readdirSync(dir)).toEqual([]);
});
