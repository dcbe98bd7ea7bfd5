import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type CgroupHost, detectCgroups } from "../../host/cgroup-host.ts";
import { findProgram } from "../../host/command.ts";
import { openVmImage, type VmImage } from "../../images/vm/vm-image.ts";
import { HearthError } from "../../model/error-code.ts";
import { type AcceleratorFinding, findAccelerator } from "./accelerator.ts";
import { QEMU } from "./qemu-command.ts";

/** Programs of the host, and the Debian packages that have them. */
const PROGRAMS = {
  [QEMU]: "qemu-system-x86",
  mksquashfs: "squashfs-tools",
  socat: "socat",
  unshare: "util-linux",
  ip: "iproute2",
  "mkfs.ext4": "e2fsprogs",
};
/** That QEMU runs as during a trial; instances have their own above it. */
export const QEMU_UID_BASE = 0x3ff00000;

export type MicrovmFinding = AcceleratorFinding & {
  readonly image: VmImage;
  readonly cgroups: CgroupHost;
};

/**
 * What this host needs for machines, tried by booting one.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE with what is missing, and the remedy.
 */
export async function detectMicrovm(stateDir: string, imagesDir: string): Promise<MicrovmFinding> {
  if (process.platform !== "linux" || process.arch !== "x64") throw unavailable("machines need Linux on x86-64");
  if (process.getuid?.() !== 0) throw unavailable("machines need root for their networks and control groups");
  const cgroups = detectCgroups();
  if ("missing" in cgroups) throw unavailable(cgroups.missing);
  const all = Object.entries(PROGRAMS);
  const paths = await Promise.all(all.map(([program]) => findProgram(program)));
  const missing = all.filter((_, at) => paths[at] === undefined);
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name).join(" ");
    throw unavailable(
      `the host lacks ${missing.map(([program]) => program).join(", ")}; install: apt-get install ${packages}`,
    );
  }
  const image = await openVmImage(imagesDir);
  await mkdir(join(stateDir, "instances"), { recursive: true, mode: 0o700 });
  try {
    return { image, cgroups, ...(await findAccelerator(imagesDir, image, QEMU_UID_BASE)) };
  } catch (error) {
    throw unavailable((error as Error).message);
  }
}

function unavailable(why: string): HearthError {
  return new HearthError("PROVIDER_UNAVAILABLE", `microvm: ${why}`);
}
