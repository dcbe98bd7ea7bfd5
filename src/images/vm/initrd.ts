import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type CpioEntry, cpioArchive } from "./cpio.ts";
import { orderModules } from "./kernel-modules.ts";

/** Disks and network of the guest, its read-only images, and what the sandbox provider uses. */
export const GUEST_MODULES = [
  "virtio_mmio",
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "qemu_fw_cfg",
  "squashfs",
  "loop",
  "veth",
  "nf_tables",
  "nf_conntrack",
  "nft_ct",
  "nft_chain_nat",
  "nft_masq",
  "nft_nat",
  "nft_connlimit",
] as const;

const FOLDERS = ["bin", "dev", "modules", "proc", "root", "sys"];
const INIT = fileURLToPath(new URL("guest/initrd.sh", import.meta.url));

/**
 * The first root of a guest, uncompressed: unpacking is dear where processors are emulated.
 *
 * @param systemDir the Debian system: `bin/busybox` and `lib/modules/RELEASE`.
 */
export async function makeInitrd(systemDir: string, busyboxPath: string, kernelRelease: string): Promise<Buffer> {
  const modules = await orderModules(`${systemDir}/lib/modules/${kernelRelease}`, GUEST_MODULES);
  const files = modules.map(({ name, bytes }) => file(`modules/${name}`, bytes, false));
  const order = modules.map(({ name }) => `${name}\n`).join("");
  return cpioArchive([
    ...FOLDERS.map((path): CpioEntry => ({ path, content: { kind: "folder" } })),
    // The kernel opens it for its first process.
    { path: "dev/console", content: { kind: "characterDevice", major: 5, minor: 1 } },
    file("init", await readFile(INIT), true),
    file("bin/busybox", await readFile(busyboxPath), true),
    file("modules/order", Buffer.from(order), false),
    ...files,
  ]);
}

function file(path: string, bytes: Uint8Array, isExecutable: boolean): CpioEntry {
  return { path, content: { kind: "file", bytes, isExecutable } };
}
