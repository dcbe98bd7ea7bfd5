import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dataIdIn } from "./data-tag.ts";

const folder = () => mkdtempDisposableSync(join(tmpdir(), "hearth-ec2-tag-"));

test("a data directory has one id, and no two have the same", async () => {
  using directory = folder();
  using other = folder();
  const dataId = await dataIdIn(directory.path);
  expect(dataId).toMatch(/^[0-9a-f]{16}$/);
  expect(await dataIdIn(directory.path)).toBe(dataId);
  expect(await dataIdIn(other.path)).not.toBe(dataId);
});

test("a damaged id is refused: a new one would leave the machines of the old one to nobody", async () => {
  for (const text of ["", "0123", "0123456789abcdef", "0123456789ABCDEF\n"]) {
    using directory = folder();
    writeFileSync(join(directory.path, "ec2-data-id"), text);
    await expect(dataIdIn(directory.path)).rejects.toMatchObject({ code: "STORE_FAILED" });
  }
});

test("a directory that is not there is STORE_FAILED", async () => {
  using directory = folder();
  await expect(dataIdIn(join(directory.path, "nowhere"))).rejects.toMatchObject({ code: "STORE_FAILED" });
});
