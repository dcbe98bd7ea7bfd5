import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HearthError } from "../../model/error-code.ts";
import { PYTHON_RUNTIMES } from "../pythons.ts";
import { hashOfFile } from "./file-hash.ts";

/** Where things are in a guest; `guest/init.sh` says the same. */
export const GUEST_PATHS = {
  node: "/opt/hearth/node",
  agentNode: "/opt/hearth/node/agent",
  python: "/opt/hearth/python",
  bundle: "/opt/hearth/bundle",
  images: "/opt/hearth/images",
  init: "/opt/hearth/init.sh",
  data: "/var/lib/hearth",
} as const;

const fileSchema = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.number() });

/** What was built, out of what; `manifest.json` beside the files. */
const manifestSchema = z.object({
  /** Of everything that the image was made of. */
  inputs: z.string(),
  suite: z.string(),
  kernelRelease: z.string(),
  /** File names of Debian packages, with their versions. */
  packages: z.array(z.string()),
  runtimes: z.array(z.string()),
  /** What there is of Python, `Python 3.11.2 of /usr/bin/python3.11, boto3 1.26.27`; images of earlier versions have none. */
  pythons: z.partialRecord(z.enum(PYTHON_RUNTIMES), z.string()).default({}),
  files: z.object({ vmlinuz: fileSchema, "initrd.cpio": fileSchema, "root.squashfs": fileSchema }),
});
export type VmManifest = z.infer<typeof manifestSchema>;

export type VmImage = {
  readonly kernelPath: string;
  readonly initrdPath: string;
  /** Read-only; one file for all guests. */
  readonly rootPath: string;
  readonly manifest: VmManifest;
};

export const VM_IMAGE_FOLDER = "vm";
export const MANIFEST_FILE = "manifest.json";

/**
 * The image that `hearth image build` made, with its files' checksums compared.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE when there is none, or it is not what was built; with the remedy.
 */
export async function openVmImage(imagesDir: string): Promise<VmImage> {
  const directory = join(imagesDir, VM_IMAGE_FOLDER);
  const manifest = await readVmManifest(directory);
  if (manifest === undefined) throw unusable(`there is no machine image in ${directory}`);
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const found = existsSync(join(directory, name)) ? await hashOfFile(join(directory, name)) : "nothing";
    if (found !== sha256) throw unusable(`${join(directory, name)} is not what was built`);
  }
  return vmImageIn(directory, manifest);
}

export function vmImageIn(directory: string, manifest: VmManifest): VmImage {
  return {
    kernelPath: join(directory, "vmlinuz"),
    initrdPath: join(directory, "initrd.cpio"),
    rootPath: join(directory, "root.squashfs"),
    manifest,
  };
}

/** @returns undefined when there is none, or none that this version wrote. */
export async function readVmManifest(directory: string): Promise<VmManifest | undefined> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(join(directory, MANIFEST_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

function unusable(why: string): HearthError {
  return new HearthError("PROVIDER_UNAVAILABLE", `microvm: ${why}; make it with \`hearth image build\``);
}
