import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, lutimes, mkdir, readdir, readlink, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, runCommand } from "../../host/command.ts";
import { HearthError } from "../../model/error-code.ts";
import type { RuntimeName } from "../../model/runtime.ts";
import { PYTHON_RUNTIMES } from "../pythons.ts";
import { bundleBaseImageProgram, PYTHON_PROBE } from "./base-image-program.ts";
import { type DebianSystem, fetchDebianSystem, SOURCE_DATE_EPOCH_S } from "./debian-system.ts";
import { hashOfFile } from "./file-hash.ts";
import { GUEST_MODULES, makeInitrd } from "./initrd.ts";
import {
  GUEST_PATHS,
  MANIFEST_FILE,
  readVmManifest,
  VM_IMAGE_FOLDER,
  type VmImage,
  type VmManifest,
  vmImageIn,
} from "./vm-image.ts";

/** Raised when the same inputs are put together differently. */
const LAYOUT_VERSION = 3;
const GUEST_SCRIPTS = ["initrd.sh", "init.sh"];
const GUEST_DIR = fileURLToPath(new URL("guest", import.meta.url));
const OWNER_EXECUTES = 0o100;
const BUNDLE_DISK_PREFIX = "vm-bundle-";
const PACK_TIMEOUT_MS = 600_000;
/** Programs of the host, and the Debian packages that have them. */
const BUILD_PROGRAMS = { mmdebstrap: "mmdebstrap", mksquashfs: "squashfs-tools", unshare: "util-linux", tar: "tar" };

export type VmImageOptions = {
  /** The image is `vm` in it, and what apt fetched stays beside it. */
  readonly imagesDir: string;
  /** Node that runs the agents. */
  readonly nodePath: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Ask apt's sources again, for newer packages. */
  readonly isRefreshed?: boolean;
  /** Told of each step that takes a while. */
  onStep(text: string): void;
};

/**
 * Makes the kernel, first root and root image of guests, or finds that what is there was made of the same: Debian's
 * packages, the Node binaries, the guest's scripts. The same inputs give the same bytes. The new image replaces the old
 * one at once; guests that run keep the files that they have open.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE naming what is missing; Error with what a program said.
 */
export async function buildVmImage(options: VmImageOptions): Promise<VmImage & { readonly isNew: boolean }> {
  await requirePrograms();
  const { imagesDir, onStep } = options;
  await mkdir(imagesDir, { recursive: true });
  onStep("fetching Debian packages through apt, unless they were fetched before");
  const system = await fetchDebianSystem(imagesDir, options.isRefreshed ?? false);
  const scratch = join(imagesDir, `vm-draft-${process.pid}`);
  await removeDrafts(imagesDir);
  await mkdir(scratch);
  try {
    const program = join(scratch, "base-image.mjs");
    await bundleBaseImageProgram(program);
    const inputs = await hashOfInputs(options, system, program);
    const directory = join(imagesDir, VM_IMAGE_FOLDER);
    const current = await readVmManifest(directory);
    if (current?.inputs === inputs) return { ...vmImageIn(directory, current), isNew: false };
    const manifest = await make(options, system, program, scratch, inputs);
    await replace(join(scratch, "image"), directory);
    return { ...vmImageIn(directory, manifest), isNew: true };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function make(
  options: VmImageOptions,
  system: DebianSystem,
  program: string,
  scratch: string,
  inputs: string,
): Promise<VmManifest> {
  const { onStep, nodePath, nodeBinaries } = options;
  const root = join(scratch, "root");
  const image = join(scratch, "image");
  await mkdir(image);
  onStep(`unpacking ${system.packages.length} packages of ${system.suite}`);
  await system.unpack(root);
  const kernelRelease = await kernelReleaseIn(root);
  await copyFile(join(root, `boot/vmlinuz-${kernelRelease}`), join(image, "vmlinuz"));
  await writeFile(join(image, "initrd.cpio"), await makeInitrd(root, join(root, "bin/busybox"), kernelRelease));
  await furnish(root, nodePath, nodeBinaries);
  onStep("making the root folder of containers, and their Python");
  const pythons = await makeContainerFolders(root, program, nodeBinaries);
  if (Object.keys(pythons).length === 0) onStep(await whyNoPython(root, system.suite));
  await removeSystemPython(root);
  await makeAllAlike(root);
  onStep("packing the root image");
  await pack(root, join(image, "root.squashfs"));
  const describe = async (name: string) => {
    const path = join(image, name);
    return { sha256: await hashOfFile(path), bytes: (await stat(path)).size };
  };
  const manifest: VmManifest = {
    inputs,
    suite: system.suite,
    kernelRelease,
    packages: [...system.packages],
    runtimes: Object.keys(nodeBinaries).toSorted(),
    pythons,
    files: {
      vmlinuz: await describe("vmlinuz"),
      "initrd.cpio": await describe("initrd.cpio"),
      "root.squashfs": await describe("root.squashfs"),
    },
  };
  await writeFile(join(image, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** What is ours, and the folders that a read-only root must have to be mounted on. */
async function furnish(
  root: string,
  nodePath: string,
  nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>,
): Promise<void> {
  for (const folder of ["boot", "lib/modules"]) await rm(join(root, folder), { recursive: true });
  const folders = Object.values(GUEST_PATHS).filter(
    (path) => path !== GUEST_PATHS.init && path !== GUEST_PATHS.agentNode,
  );
  for (const folder of [...folders, "/dev", "/proc", "/sys", "/run", "/tmp", "/root"]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await copyFile(join(GUEST_DIR, "init.sh"), join(root, GUEST_PATHS.init));
  await chmod(join(root, GUEST_PATHS.init), 0o755);
  await copyProgram(nodePath, join(root, GUEST_PATHS.agentNode));
  for (const [runtime, binary] of Object.entries(nodeBinaries)) {
    await copyProgram(binary, join(root, GUEST_PATHS.node, runtime));
  }
  await rm(join(root, "etc/resolv.conf"), { force: true });
  await runCommand("ln", ["-s", "/run/resolv.conf", join(root, "etc/resolv.conf")]);
  await writeFile(join(root, "etc/hosts"), "127.0.0.1 localhost hearth\n");
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/sbin/nologin\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
}

async function copyProgram(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}

/**
 * The base image's manifest and compiled Python tell sources by their age: all files get the one that they will have in the image.
 *
 * @returns what there is of Python.
 */
async function makeContainerFolders(
  root: string,
  program: string,
  nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>,
): Promise<VmManifest["pythons"]> {
  await makeAllAlike(root);
  const scripts = ["tmp/base-image.mjs", `tmp/${basename(PYTHON_PROBE)}`].map((path) => join(root, path));
  for (const [index, source] of [program, PYTHON_PROBE].entries()) await copyFile(source, scripts[index] as string);
  const guestBinaries = Object.keys(nodeBinaries).map((runtime) => join(GUEST_PATHS.node, runtime));
  const folders = [GUEST_PATHS.images, GUEST_PATHS.python];
  const inside = [GUEST_PATHS.agentNode, "/tmp/base-image.mjs", ...folders, ...guestBinaries];
  const script = 'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"';
  const namespaces = ["--mount", "--propagation", "private", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"])];
  const pythons = await runCommand("unshare", [...namespaces, "/bin/sh", "-c", script, root, ...inside], {
    timeoutMs: PACK_TIMEOUT_MS,
  });
  for (const path of scripts) await rm(path);
  return JSON.parse(pythons);
}

/** Functions have a copy; nothing else in a guest is written in Python. */
async function removeSystemPython(root: string): Promise<void> {
  for (const folder of ["usr/bin", "usr/lib", "usr/share"]) {
    const names = (await readdir(join(root, folder))).filter((name) => name.startsWith("python3"));
    for (const name of names) await rm(join(root, folder, name), { recursive: true });
  }
}

/** For who builds an image of a release whose Python is of no runtime. */
export async function whyNoPython(root: string, suite: string): Promise<string> {
  const found = await readlink(join(root, "usr/bin/python3"));
  return `no function in Python will run in this image: ${suite} has ${found}, which is none of ${PYTHON_RUNTIMES.join(", ")}`;
}

/**
 * Ages and modes that depend on neither who builds nor how: nobody but root is in a guest, so what may be run is all that modes
 * tell, and nothing runs as another than who starts it. Links are never followed: some lead out of the folder, to what is
 * the host's.
 */
export async function makeAllAlike(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makeAllAlike(path);
    else if (!entry.isSymbolicLink()) await chmod(path, (await isExecutable(path)) ? 0o755 : 0o644);
    await lutimes(path, SOURCE_DATE_EPOCH_S, SOURCE_DATE_EPOCH_S);
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return ((await stat(path)).mode & OWNER_EXECUTES) !== 0;
}

/** Uncompressed: the disk is cheap, an emulated processor is not. */
async function pack(root: string, image: string): Promise<void> {
  const same = ["-all-root", "-all-time", SOURCE_DATE_EPOCH_S, "-mkfs-time", SOURCE_DATE_EPOCH_S, "-no-xattrs"];
  const plain = ["-noI", "-noD", "-noF", "-noX", "-no-progress", "-quiet", "-noappend"];
  await runCommand("mksquashfs", [root, image, ...[...same, ...plain].map(String)], { timeoutMs: PACK_TIMEOUT_MS });
}

/**
 * The agent and the runtimes as a disk of their own: they change more often than the rest.
 *
 * @param bundleDir named for its content, see `bundle.ts`.
 * @returns its path; those of other bundles are removed, guests that run keep them open.
 */
export async function packBundle(imagesDir: string, bundleDir: string): Promise<string> {
  const name = `${BUNDLE_DISK_PREFIX}${basename(bundleDir)}.squashfs`;
  const path = join(imagesDir, name);
  const others = (await readdir(imagesDir)).filter((other) => other.startsWith(BUNDLE_DISK_PREFIX) && other !== name);
  for (const other of others) await rm(join(imagesDir, other), { force: true });
  if (existsSync(path)) return path;
  const unfinished = join(imagesDir, `${BUNDLE_DISK_PREFIX}unfinished-${process.pid}`);
  const draft = join(imagesDir, `vm-draft-bundle-${process.pid}`);
  try {
    await cp(bundleDir, draft, { recursive: true });
    await compileAhead(draft);
    await pack(draft, unfinished);
    await rename(unfinished, path);
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(unfinished, { force: true });
  }
  return path;
}

/** Seconds of a guest's start where processors are emulated. It ends at once, having no configuration. */
async function compileAhead(bundleDir: string): Promise<void> {
  const variables = [`NODE_COMPILE_CACHE=${join(bundleDir, "compiled")}`, "NODE_COMPILE_CACHE_PORTABLE=1"];
  const program = [process.execPath, join(bundleDir, "host-agent.mjs"), "--config", "/none"];
  await runCommand("env", [...variables, ...program]).catch(() => {});
}

async function hashOfInputs(options: VmImageOptions, system: DebianSystem, program: string): Promise<string> {
  const scripts = GUEST_SCRIPTS.map((name) => join(GUEST_DIR, name));
  const binaries = Object.entries(options.nodeBinaries).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const files = [program, PYTHON_PROBE, ...scripts, options.nodePath, ...binaries.map(([, path]) => path)];
  const hashes = await Promise.all(files.map((path) => hashOfFile(path)));
  const names = binaries.map(([runtime]) => runtime);
  const inputs = [LAYOUT_VERSION, SOURCE_DATE_EPOCH_S, system.sha256, GUEST_MODULES, GUEST_PATHS, names, hashes];
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
}

async function kernelReleaseIn(root: string): Promise<string> {
  const [name, ...others] = (await readdir(join(root, "boot"))).filter((file) => file.startsWith("vmlinuz-"));
  if (name === undefined || others.length > 0) throw new Error(`not one kernel but ${others.length + 1} in ${root}`);
  return basename(name).slice("vmlinuz-".length);
}

/** Guests that are started meanwhile find the old one or the new one, but for a moment. */
async function replace(from: string, to: string): Promise<void> {
  if (existsSync(to)) await rename(to, `${from}-old`);
  await rename(from, to);
}

async function removeDrafts(imagesDir: string): Promise<void> {
  const names = (await readdir(imagesDir)).filter((name) => name.startsWith("vm-draft-"));
  for (const name of names) {
    // Another build may be under way.
    if (!existsSync(`/proc/${name.split("-").at(-1)}`))
      await rm(join(imagesDir, name), { recursive: true, force: true });
  }
}

async function requirePrograms(): Promise<void> {
  if (process.arch !== "x64") throw new HearthError("PROVIDER_UNAVAILABLE", "machine images are made on x86-64 only");
  const isRoot = process.getuid?.() === 0;
  const all = Object.entries({ ...BUILD_PROGRAMS, ...(isRoot ? {} : { fakeroot: "fakeroot" }) });
  const found = await Promise.all(all.map(([program]) => findProgram(program)));
  const missing = all.filter((_, index) => found[index] === undefined);
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name).join(" ");
  const names = missing.map(([program]) => program).join(", ");
  throw new HearthError("PROVIDER_UNAVAILABLE", `the host lacks ${names}; install: apt-get install ${packages}`);
}
