import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
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
