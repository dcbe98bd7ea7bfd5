import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  openSync,
  readSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { SYSTEM_PATH } from "../../host/command.ts";
import { checked, ERRNO, LibcError, libc } from "../../host/libc.ts";
import { withLoopDevice } from "../../host/loop-device.ts";
import { mountFileSystem } from "../../host/mount.ts";

/** Makes the private /tmp of containers. */
export type TmpVolumes = {
  /** Mounts an empty volume that every user may write. @throws Error naming what failed. */
  mount(target: string, sizeMiB: number): void;
};

const MEBIBYTE = 1024 * 1024;
const BLOCK_BYTES = 4096;

/** ext4 keeps 16 MiB for itself; 8 MiB are inodes, the rest bitmaps: so much is added for the size to be usable. */
const EXT4_OVERHEAD_MIB = 26;
const INODES = 32768;
/** Bitmaps grow with the size: two blocks for every 128 MiB. */
const EXT4_OVERHEAD_SHARE = 1 / 4096;
const MKFS_TIMEOUT_MS = 30_000;
/** Different sizes remembered; an empty file system is below 100 KiB without its zeros. */
const TEMPLATES_MAX = 32;

/**
 * Volumes are sparse files, and their sizes together may be more than the disk has. Below this much
 * no more are made, so that what is written to those there are leaves room for databases and logs.
 */
const FREE_DISK_MIB_MIN = 1024;

const EXT4_OPTIONS = "noinit_itable,barrier=0,errors=continue";

/** Volumes in memory: counted as the container's memory, which Lambda's /tmp is not. */
export const memoryTmpVolumes: TmpVolumes = {
  mount: (target, sizeMiB) => mountFileSystem("tmpfs", "tmpfs", target, `size=${sizeMiB}m,mode=1777`),
};

/**
 * Volumes in sparse files on disk. The file has no name once it is mounted and its loop device
 * frees itself, so nothing is left of a volume when its last mount goes, whoever dies first.
 *
 * @param directory on a real disk; files appear there only while a volume is made.
 */
export function diskTmpVolumes(directory: string): TmpVolumes {
  const templates = new Map<number, Extent[]>();
  let made = 0;

  function mount(target: string, sizeMiB: number): void {
    requireFreeDisk(directory);
    made += 1;
    const path = join(directory, `tmp-${made}`);
    const fd = openSync(path, "wx+", 0o600);
    try {
      rmSync(path);
      fillImage(fd, sizeMiB);
      withLoopDevice(fd, (device) => mountFileSystem("ext4", device, target, EXT4_OPTIONS));
    } finally {
      closeSync(fd);
    }
    rmdirSync(join(target, "lost+found"));
    chmodSync(target, 0o1777);
  }

  function fillImage(fd: number, sizeMiB: number): void {
    ftruncateSync(fd, imageBytes(sizeMiB));
    for (const { offset, bytes } of templateOf(sizeMiB)) writeSync(fd, bytes, 0, bytes.length, offset);
  }

  function templateOf(sizeMiB: number): Extent[] {
    let template = templates.get(sizeMiB);
    if (template === undefined) {
      template = makeTemplate(join(directory, "template"), imageBytes(sizeMiB));
      const oldest = templates.keys().next();
      if (templates.size >= TEMPLATES_MAX && !oldest.done) templates.delete(oldest.value);
      templates.set(sizeMiB, template);
    }
    return template;
  }

  return { mount };
}

function requireFreeDisk(directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  const freeMiB = Math.floor((bavail * bsize) / MEBIBYTE);
  if (freeMiB >= FREE_DISK_MIB_MIN) return;
  throw new Error(`no /tmp: the disk of ${directory} has ${freeMiB} MiB free, of which ${FREE_DISK_MIB_MIN} are kept`);
}

/** What of a file is not zero. */
type Extent = { readonly offset: number; readonly bytes: Buffer };

function imageBytes(sizeMiB: number): number {
  return Math.ceil(sizeMiB * (1 + EXT4_OVERHEAD_SHARE) + EXT4_OVERHEAD_MIB) * MEBIBYTE;
}

/** An empty ext4 without journal (the volume does not outlive its container) and without backup superblocks. */
function makeTemplate(path: string, bytes: number): Extent[] {
  const features = "^has_journal,^resize_inode,^metadata_csum,uninit_bg,sparse_super2";
  const extended = "lazy_itable_init=1,nodiscard,num_backup_sb=0";
  const fd = openSync(path, "w+", 0o600);
  try {
    ftruncateSync(fd, bytes);
    const args = [
      "-q",
      "-F",
      "-O",
      features,
      "-b",
      String(BLOCK_BYTES),
      "-m",
      "0",
      "-N",
      String(INODES),
      "-E",
      extended,
    ];
    execFileSync("mkfs.ext4", [...args, path], { timeout: MKFS_TIMEOUT_MS, stdio: "pipe", env: { PATH: SYSTEM_PATH } });
    return readExtents(fd, bytes);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

function readExtents(fd: number, fileBytes: number): Extent[] {
  const SEEK_DATA = 3;
  const extents: Extent[] = [];
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let offset = 0; offset < fileBytes; offset += BLOCK_BYTES) {
    try {
      offset = Number(checked(libc().lseek(fd, BigInt(offset), SEEK_DATA), () => "seek data"));
    } catch (error) {
      if (error instanceof LibcError && error.errno === ERRNO.ENXIO) break; // Only zeros follow.
      throw error;
    }
    readSync(fd, block, 0, BLOCK_BYTES, offset);
    if (!block.equals(ZERO_BLOCK)) appendBlock(extents, offset, Buffer.from(block));
  }
  return extents;
}

function appendBlock(extents: Extent[], offset: number, bytes: Buffer): void {
  const last = extents.at(-1);
  if (last === undefined || last.offset + last.bytes.length !== offset) extents.push({ offset, bytes });
  else extents[extents.length - 1] = { offset: last.offset, bytes: Buffer.concat([last.bytes, bytes]) };
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);
