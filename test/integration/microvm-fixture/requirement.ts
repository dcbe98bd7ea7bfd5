import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { skipUnless } from "../../skip.ts";

const PROGRAMS = ["qemu-system-x86_64", "mmdebstrap", "mksquashfs", "socat", "ip", "nft", "mkfs.ext4"];

const missing = PROGRAMS.filter((name) => spawnSync("which", [name]).status !== 0);
const isDebian = process.platform === "linux" && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));

export const needsMachines = skipUnless(
  isDebian && process.arch === "x64" && process.getuid?.() === 0 && missing.length === 0,
  `machines need Debian on x86-64, root and ${missing.length === 0 ? PROGRAMS.join(", ") : missing.join(", ")}`,
);
