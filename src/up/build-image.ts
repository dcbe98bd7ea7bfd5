import { join, resolve } from "node:path";
import type { BuiltImage, ImageOrder } from "../cli/cli-context.ts";
import { findNodeBinaries } from "../images/node-binaries.ts";
import { buildVmImage } from "../images/vm/build-vm-image.ts";
import { VM_IMAGE_FOLDER } from "../images/vm/vm-image.ts";

/** `hearth image build`. @throws HearthError PROVIDER_UNAVAILABLE naming what is missing; Error with what a program said. */
export async function buildImage({ dataDir, isRefreshed, onStep }: ImageOrder): Promise<BuiltImage> {
  const imagesDir = join(resolve(dataDir), "images");
  const nodeBinaries = findNodeBinaries().paths;
  const built = await buildVmImage({ imagesDir, nodePath: process.execPath, nodeBinaries, isRefreshed, onStep });
  return { isNew: built.isNew, directory: join(imagesDir, VM_IMAGE_FOLDER), manifest: built.manifest };
}
