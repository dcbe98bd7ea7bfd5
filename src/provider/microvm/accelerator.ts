import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../host/command.ts";
import type { VmImage } from "../../images/vm/vm-image.ts";
import type { Accelerator } from "./guest-shape.ts";
import { QEMU, qemuArguments } from "./qemu-command.ts";

/** What this host can do, found out by booting. */
export type AcceleratorFinding = {
  readonly accelerator: Accelerator;
  /** One sentence: why not KVM; undefined: it is. */
  readonly whyNotKvm: string | undefined;
};

const KVM_DEVICE = "/dev/kvm";
const FINDING_FILE = "vm-accelerator.json";
/** A guest says it after its kernel has come up and mounted the root image, see `src/images/vm/guest/initrd.sh`. */
const BOOTED = "hearth: a guest boots here";
/** With KVM a guest is there within two seconds, on a busy host; a host that only seems to have KVM never gets there. */
const KVM_TRIAL_MS = 20_000;
/** Emulated, on a busy host of two processors: some ten seconds. */
const TCG_TRIAL_MS = 120_000;
const TRIAL_MEMORY_MIB = 256;
const REASON_CHARS_MAX = 200;

/**
 * Boots the image until its root is mounted, by KVM, else by emulation. That a virtual machine can be made says little:
 * there are hosts where it then never runs. The finding holds until the host boots again, or QEMU or the image change.
 *
 * @param uid that the trial's QEMU runs as.
 * @throws Error with what QEMU or the guest said, where none boots.
 */
export async function findAccelerator(imagesDir: string, image: VmImage, uid: number): Promise<AcceleratorFinding> {
  const key = await keyOf(image);
  const kept = await readFinding(imagesDir, key);
  if (kept !== undefined) return kept;
  const finding = await tryOut(image, uid);
  await writeFile(join(imagesDir, FINDING_FILE), JSON.stringify({ key, finding }), { mode: 0o600 });
  return finding;
}

async function tryOut(image: VmImage, uid: number): Promise<AcceleratorFinding> {
  const failure = existsSync(KVM_DEVICE) ? await tryBoot(image, "kvm", uid, KVM_TRIAL_MS) : `there is no ${KVM_DEVICE}`;
  if (failure === undefined) return { accelerator: "kvm", whyNotKvm: undefined };
  const emulated = await tryBoot(image, "tcg", uid, TCG_TRIAL_MS);
  if (emulated !== undefined) throw new Error(`no guest boots: ${emulated}`);
  return { accelerator: "tcg", whyNotKvm: failure };
}

/** @returns why no guest booted; undefined: it did. */
async function tryBoot(
  { kernelPath, initrdPath, rootPath }: VmImage,
  accelerator: Accelerator,
  uid: number,
  timeoutMs: number,
): Promise<string | undefined> {
  const args = qemuArguments({
    accelerator,
    memoryMiB: TRIAL_MEMORY_MIB,
    processors: 1,
    kernelPath,
    initrdPath,
    imagePaths: [rootPath],
    dataPath: undefined,
    configFiles: {},
    kernelOptions: ["hearth.trial"],
    console: { kind: "output" },
    uid,
  });
  const beganMs = performance.now();
  try {
    // Without a network of its own: a trial needs none.
    const output = await runCommand("unshare", ["--net", "--", QEMU, ...args], { timeoutMs });
    return output.includes(BOOTED) ? undefined : `a guest ended early: ${lastLineOf(output)}`;
  } catch (error) {
    const isTimeout = performance.now() - beganMs >= timeoutMs;
    return isTimeout
      ? `a guest did not boot within ${timeoutMs / 1000} s`
      : lastLineOf((error as Error).message).slice(0, REASON_CHARS_MAX);
  }
}

async function keyOf({ manifest }: VmImage): Promise<string> {
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const hasKvm = await stat(KVM_DEVICE).then(
    () => true,
    () => false,
  );
  return JSON.stringify([bootId, hasKvm, await runCommand(QEMU, ["--version"]), manifest.files]);
}

async function readFinding(imagesDir: string, key: string): Promise<AcceleratorFinding | undefined> {
  try {
    const kept = JSON.parse(await readFile(join(imagesDir, FINDING_FILE), "utf8"));
    return kept.key === key ? kept.finding : undefined;
  } catch {
    return undefined; // Nothing kept, or not whole: found out anew.
  }
}

function lastLineOf(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
