import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CodeStore, ZIP_BYTES_MAX } from "../code-store.ts";
import { zipOfEntries } from "./zip-fixture.ts";

/** What every code store promises. */
export function describeCodeStore(
  name: string,
  open: () => Promise<{ readonly codeStore: CodeStore; readonly close: () => void }>,
): void {
  describe(`${name} keeps the code store's contract`, () => {
    let codeStore: CodeStore;
    let close: () => void;
    beforeEach(async () => {
      ({ codeStore, close } = await open());
    });
    afterEach(() => close());

    const zip = zipOfEntries([{ name: "index.mjs", data: "export {}" }]);
    const sha256Hex = createHash("sha256").update(zip).digest("hex");

    test("an archive is kept under its hash, whole and unpacked", async () => {
      expect(await codeStore.put(zip)).toEqual({ sha256Hex, codeSizeBytes: zip.length });
      expect(await codeStore.put(zip)).toEqual({ sha256Hex, codeSizeBytes: zip.length });
      expect((await codeStore.read(sha256Hex)).equals(zip)).toBe(true);
      expect(readFileSync(join(codeStore.dir(sha256Hex), "index.mjs"), "utf8")).toBe("export {}");
      await codeStore.verify(sha256Hex);
    });

    test("checking keeps nothing", async () => {
      expect(await codeStore.check(zip)).toEqual({ sha256Hex, codeSizeBytes: zip.length });
      await expect(codeStore.read(sha256Hex)).rejects.toMatchObject({ code: "STORE_FAILED" });
      await expect(codeStore.verify(sha256Hex)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
    });

    test("what is no archive, or too large a one, is refused", async () => {
      for (const bytes of [Buffer.alloc(0), Buffer.from("no zip"), zip.subarray(0, zip.length - 5)]) {
        await expect(codeStore.put(bytes)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
        await expect(codeStore.check(bytes)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
      }
      await expect(codeStore.put(Buffer.alloc(ZIP_BYTES_MAX + 1))).rejects.toMatchObject({ code: "CODE_TOO_LARGE" });
    });

    describe("overlays", () => {
      const lower = zipOfEntries([
        { name: "both.txt", data: "lower" },
        { name: "bin/lower", data: "l", mode: 0o100755 },
        { name: "file-then-folder", data: "file" },
        { name: "folder-then-file/inside", data: "x" },
        { name: "lib/target", data: "t" },
        { name: "folder-then-link/inside", data: "x" },
      ]);
      const upper = zipOfEntries([
        { name: "both.txt", data: "upper" },
        { name: "bin/upper", data: "u" },
        { name: "file-then-folder/inside", data: "inside" },
        { name: "folder-then-file", data: "file" },
        { name: "folder-then-link", data: "lib", mode: 0o120777 },
      ]);
      const stored = async (...zips: Buffer[]) => {
        const hashes: string[] = [];
        for (const each of zips) hashes.push((await codeStore.put(each)).sha256Hex);
        return hashes;
      };
      const read = (name: string, path: string) => readFileSync(join(codeStore.dir(name), path), "utf8");

      test("later archives lie on top, folders are united", async () => {
        const hashes = await stored(lower, upper);
        const name = codeStore.overlayName(hashes);
        await Promise.all([codeStore.overlay(hashes), codeStore.overlay(hashes)]);
        expect(read(name, "both.txt")).toBe("upper");
        expect(read(name, "bin/lower") + read(name, "bin/upper")).toBe("lu");
        expect(read(name, "file-then-folder/inside")).toBe("inside");
        expect(read(name, "folder-then-file")).toBe("file");
        expect(read(name, "folder-then-link/target")).toBe("t");
        expect(statSync(join(codeStore.dir(name), "bin/lower")).mode & 0o777).toBe(0o755);
        const reversed = hashes.toReversed();
        await codeStore.overlay(reversed);
        expect(read(codeStore.overlayName(reversed), "both.txt")).toBe("lower");
        expect(read(name, "both.txt")).toBe("upper");
        expect(read(hashes[0] as string, "both.txt")).toBe("lower");
      });

      test("one archive is its own overlay, and other lists have other names", async () => {
        const [a = "", b = ""] = await stored(lower, upper);
        expect(codeStore.overlayName([a])).toBe(a);
        const names = [[], [a], [b], [a, b], [b, a], [a, b, a]].map((list) => codeStore.overlayName(list));
        expect(new Set(names).size).toBe(names.length);
        await codeStore.overlay([a]);
        expect(read(a, "both.txt")).toBe("lower");
      });

      test("an overlay outlives its archives, and goes as code goes", async () => {
        const hashes = await stored(lower, upper);
        const name = codeStore.overlayName(hashes);
        await codeStore.overlay(hashes);
        for (let turn = 0; turn < 2; turn++) await codeStore.retain(new Set([name]), 0);
        expect(read(name, "both.txt")).toBe("upper");
        await expect(codeStore.verify(hashes[0] as string)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
        for (let turn = 0; turn < 2; turn++) await codeStore.retain(new Set(), 0);
        expect(existsSync(codeStore.dir(name))).toBe(false);
        await expect(codeStore.overlay(hashes)).rejects.toMatchObject({ code: "STORE_FAILED" });
      });

      test("the size of unpacked code is that of its files", async () => {
        const [hash = ""] = await stored(lower);
        expect(await codeStore.unpackedBytes(hash)).toBe("lower".length + 1 + "file".length + 1 + 1 + 1);
      });
    });

    test("code goes when it was unused for the time of grace, and not before", async () => {
      await codeStore.put(zip);
      await codeStore.retain(new Set(), 60_000);
      await codeStore.retain(new Set(), 60_000);
      await codeStore.verify(sha256Hex);
      await codeStore.retain(new Set([sha256Hex]), 0);
      await codeStore.retain(new Set(), 0);
      await codeStore.verify(sha256Hex);
      await codeStore.put(zip);
      await codeStore.retain(new Set(), 0);
      await codeStore.verify(sha256Hex);
      await codeStore.retain(new Set(), 0);
      await expect(codeStore.verify(sha256Hex)).rejects.toMatchObject({ code: "CODE_CORRUPT" });
    });
  });
}
