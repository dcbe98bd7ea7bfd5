import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { modulesNeededBy, orderModules } from "./kernel-modules.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-modules-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** As a module's `.modinfo` section has it, amid other bytes. */
function moduleThatNeeds(...names: readonly string[]): Buffer {
  const strings = ["license=GPL", `depends=${names.join(",")}`, "retpoline=Y"];
  return Buffer.concat([Buffer.from([0x7f, 0x45, 0]), Buffer.from(`${strings.join("\0")}\0`)]);
}

function write(path: string, ...needs: readonly string[]): void {
  mkdirSync(dirname(join(directory, "kernel", path)), { recursive: true });
  writeFileSync(join(directory, "kernel", path), moduleThatNeeds(...needs));
}

test("what a module needs is in its file, in the kernel's spelling", () => {
  expect(modulesNeededBy(moduleThatNeeds("virtio", "virtio-ring"))).toEqual(["virtio", "virtio_ring"]);
  expect(modulesNeededBy(moduleThatNeeds())).toEqual([]);
  expect(modulesNeededBy(Buffer.from("no module"))).toEqual([]);
});

test("each comes once, after all that it needs", async () => {
  write("drivers/net/virtio_net.ko", "net_failover", "virtio-ring", "virtio");
  write("drivers/net/net_failover.ko", "failover");
  write("net/core/failover.ko");
  write("drivers/virtio/virtio.ko", "virtio_ring");
  write("drivers/virtio/virtio_ring.ko");
  const names = (await orderModules(directory, ["virtio_net", "virtio"])).map(({ name }) => name);
  expect(names).toEqual(["failover", "net_failover", "virtio_ring", "virtio", "virtio_net"]);
});

test("what others need and has no file is built in; what was asked for must be there", async () => {
  write("fs/squashfs.ko", "zlib_inflate");
  expect((await orderModules(directory, ["squashfs"])).map(({ name }) => name)).toEqual(["squashfs"]);
  await expect(orderModules(directory, ["virtio_blk"])).rejects.toThrow("virtio_blk");
});

test("a built-in one may be asked for", async () => {
  write("fs/squashfs.ko");
  writeFileSync(join(directory, "modules.builtin"), "kernel/drivers/block/virtio_blk.ko\nkernel/fs/ext4/ext4.ko\n");
  expect((await orderModules(directory, ["virtio_blk", "squashfs"])).map(({ name }) => name)).toEqual(["squashfs"]);
});

test.each([
  ["xz", (plain: Buffer) => execFileSync("xz", ["--compress", "--stdout"], { input: plain })],
  ["zst", zstdCompressSync],
  ["gz", gzipSync],
])("those that a distribution compresses by %s are unpacked", async (suffix, compress) => {
  const plain = moduleThatNeeds("failover");
  mkdirSync(join(directory, "kernel"), { recursive: true });
  writeFileSync(join(directory, `kernel/net-failover.ko.${suffix}`), compress(plain));
  write("failover.ko");
  const modules = await orderModules(directory, ["net_failover"]);
  expect(modules.map(({ name }) => name)).toEqual(["failover", "net_failover"]);
  expect(modules[1]?.bytes).toEqual(plain);
});
