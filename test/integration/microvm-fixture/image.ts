import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findNodeBinaries } from "../../../src/images/node-binaries.ts";
import { buildVmImage } from "../../../src/images/vm/build-vm-image.ts";
import { VM_IMAGE_FOLDER, type VmImage } from "../../../src/images/vm/vm-image.ts";

/** Kept between runs: the image is only made anew when what it is made of changed. */
export const TEST_IMAGES_DIR = join(tmpdir(), "hearth-test-images");
/** A build with all downloads takes half a minute on an idle machine. */
export const IMAGE_MS_MAX = 600_000;
const LOOK_MS = 200;

let made: Promise<VmImage> | undefined;

/** The machine image, made once for all test files. */
export function testVmImage(): Promise<VmImage> {
  made ??= makeImage();
  return made;
}

async function makeImage(): Promise<VmImage> {
  mkdirSync(TEST_IMAGES_DIR, { recursive: true });
  const lock = join(TEST_IMAGES_DIR, "build.lock");
  while (!take(lock)) await delay(LOOK_MS);
  try {
    return await buildVmImage({
      imagesDir: TEST_IMAGES_DIR,
      nodePath: process.execPath,
      nodeBinaries: findNodeBinaries().paths,
      onStep: () => {},
    });
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    if (!isRunning(lock)) rmSync(lock, { force: true }); // Its test run was killed.
    return false;
  }
}

function isRunning(lock: string): boolean {
  try {
    return process.kill(Number(readFileSync(lock, "utf8")), 0);
  } catch {
    return false;
  }
}

/** The image for a server of its own: its files are linked, not copied. */
export async function linkImageInto(imagesDir: string): Promise<VmImage> {
  const image = await testVmImage();
  mkdirSync(join(imagesDir, VM_IMAGE_FOLDER), { recursive: true });
  for (const name of readdirSync(join(TEST_IMAGES_DIR, VM_IMAGE_FOLDER))) {
    linkSync(join(TEST_IMAGES_DIR, VM_IMAGE_FOLDER, name), join(imagesDir, VM_IMAGE_FOLDER, name));
  }
  return image;
}
