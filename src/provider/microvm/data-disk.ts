import { closeSync, ftruncateSync, openSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { runCommand } from "../../host/command.ts";

const MEBIBYTE = 1024 * 1024;
/** Of the host's disk: below it no more machines are started, so that what those write that are there leaves room. */
const FREE_DISK_MIB_MIN = 2048;
/** No journal: the disk does not outlive its machine. */
const FEATURES = "^has_journal,^resize_inode";
const EXTENDED = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";

/**
 * Makes an empty ext4 file system in a sparse file: the guest's functions' code, their /tmp, the agent's log. It takes of the
 * host's disk what is written to it.
 *
 * @throws Error when the host's disk is nearly full, or with what mkfs.ext4 said.
 */
export async function makeDataDisk(path: string, sizeMiB: number): Promise<void> {
  const { bavail, bsize } = statfsSync(dirname(path));
  const freeMiB = Math.floor((bavail * bsize) / MEBIBYTE);
  if (freeMiB < FREE_DISK_MIB_MIN)
    throw new Error(`the disk of ${path} has ${freeMiB} MiB free, of which ${FREE_DISK_MIB_MIN} are kept`);
  const fd = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(fd, sizeMiB * MEBIBYTE);
  } finally {
    closeSync(fd);
  }
  await runCommand("mkfs.ext4", ["-q", "-F", "-m", "0", "-O", FEATURES, "-E", EXTENDED, path]);
}
