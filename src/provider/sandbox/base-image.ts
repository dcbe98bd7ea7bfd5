import { createHash } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { findProgram, runCommand } from "../../host/command.ts";
import { type AwsSdk, copyAwsSdk, findAwsSdk } from "./aws-sdk.ts";

/** Raised when what is written into the image changes. */
const LAYOUT_VERSION = 2;
const LIST_TIMEOUT_MS = 60_000;
/**
 * ldd asks each linker it knows of, in processes of its own: for all programs that takes seconds. So it says which linker there
 * is, and that is asked for the rest. It fails for scripts and static programs, and runs none of them.
 */
const LIST_LIBRARIES = `
  own=$(ldd /bin/sh)
  echo "$own"
  linker=$(echo "$own" | sed -n 's/^[[:space:]]*\\(\\/[^ ]*\\) (0x[0-9a-f]*)$/\\1/p')
  for program in "$@"; do "$linker" --list "$program" 2>/dev/null || true; done`;

/** A file of the host that is copied to the same path in the image, with what tells a changed one. */
type Input = { readonly target: string; readonly source: string; readonly bytes: number; readonly changedMs: number };

/**
 * Finds or makes the root folder of containers: a shell, common programs, the libraries that they and the Node
 * binaries need, copied from the host, and the AWS SDK for JavaScript if there is a Node and it is installed. It is
 * made under another name and renamed when whole. An upgrade of the host changes the name, so that a new one is made.
 *
 * @param nodeBinaries their libraries are taken, they themselves not.
 * @param canRemoveOthers false while instances may use an older image.
 * @returns the folder, an absolute path.
 */
export async function ensureBaseImage(
  imagesDir: string,
  nodeBinaries: readonly string[],
  canRemoveOthers: boolean,
): Promise<string> {
  await mkdir(imagesDir, { recursive: true });
  const sdk = nodeBinaries.length === 0 ? undefined : findAwsSdk();
  const layout = layoutOf(nodeBinaries, sdk);
  const name = (await findCurrent(imagesDir, layout)) ?? (await build(imagesDir, nodeBinaries, layout, sdk));
  if (canRemoveOthers) await removeOthers(imagesDir, name);
  return realpath(join(imagesDir, name));
}

/** An image is current while every file it was made from is as it was then. */
async function findCurrent(imagesDir: string, layout: string): Promise<string | undefined> {
  for (const name of await imageNames(imagesDir)) {
    const manifest = await readManifest(manifestOf(imagesDir, name));
    if (manifest === undefined || manifest.layout !== layout) continue;
    const now = await Promise.all(manifest.inputs.map(({ target, source }) => inputOf(target, source)));
    if (JSON.stringify(now) === JSON.stringify(manifest.inputs)) return name;
  }
  return undefined;
}

async function build(
  imagesDir: string,
  nodeBinaries: readonly string[],
  layout: string,
  sdk: AwsSdk | undefined,
): Promise<string> {
  const manifest = { layout, inputs: await findInputs(nodeBinaries) };
  const text = JSON.stringify(manifest);
  const name = `base-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  const unfinished = join(imagesDir, `unfinished-${name}-${process.pid}`);
  await rm(unfinished, { recursive: true, force: true });
  await makeLayout(unfinished);
  for (const input of manifest.inputs) await copyInput(unfinished, input);
  if (sdk !== undefined) await copyAwsSdk(sdk, join(unfinished, AWS_SDK_FOLDER));
  await rm(join(imagesDir, name), { recursive: true, force: true });
  await rename(unfinished, join(imagesDir, name));
  await writeFile(manifestOf(imagesDir, name), text);
  return name;
}

/** Beside the image, not in it: it tells where things are on the host. */
function manifestOf(imagesDir: string, name: string): string {
  return join(imagesDir, `${name}.json`);
}

async function readManifest(path: string): Promise<{ layout: string; inputs: Input[] } | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined; // Unreadable means not current: a new one is made.
  }
}

function layoutOf(nodeBinaries: readonly string[], sdk: AwsSdk | undefined): string {
  return JSON.stringify([LAYOUT_VERSION, PROGRAMS, FOLDERS, FILES, LINKS, [...nodeBinaries].sort(), sdk?.id]);
}

async function imageNames(imagesDir: string): Promise<string[]> {
  return (await readdir(imagesDir)).filter((name) => /^base-[0-9a-f]+$/.test(name));
}

async function removeOthers(imagesDir: string, kept: string): Promise<void> {
  const others = (await readdir(imagesDir)).filter((name) => isImageFile(name) && !name.startsWith(kept));
  for (const name of others) await rm(join(imagesDir, name), { recursive: true, force: true });
}

function isImageFile(name: string): boolean {
  return /^(unfinished-)?base-/.test(name);
}

/** Programs go to /usr/bin whatever the host's layout; libraries keep their path. */
async function findInputs(nodeBinaries: readonly string[]): Promise<Input[]> {
  const programs = await Promise.all(PROGRAMS.map(async (name) => ({ name, path: await findProgram(name) })));
  const found = programs.flatMap(({ name, path }) =>
    path === undefined ? [] : [{ target: `/usr/bin/${name}`, path }],
  );
  const binaries = [...found.map(({ path }) => path), ...nodeBinaries];
  const libraries = await librariesOf(binaries);
  const sources = [
    ...found,
    ...libraries.map((path) => ({ target: path, path })),
    ...DATA_FILES.map((path) => ({ target: path, path })),
  ];
  const inputs = await Promise.all(sources.map(({ target, path }) => inputOf(target, path)));
  return inputs.filter((input) => input !== undefined);
}

/** What the dynamic linker would load, and beside it what programs load by name while they run. */
async function librariesOf(binaries: readonly string[]): Promise<string[]> {
  const listing = await runCommand("/bin/sh", ["-c", LIST_LIBRARIES, "list", ...binaries], {
    timeoutMs: LIST_TIMEOUT_MS,
  });
  const paths = new Set(parseLdd(listing));
  const libc = [...paths].find((path) => basename(path) === "libc.so.6");
  const loadedByName = libc === undefined ? [] : LOADED_BY_NAME.map((name) => join(dirname(libc), name));
  return [...new Set([...paths, ...loadedByName])].sort();
}

/** `	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)` or `	/lib64/ld-linux-x86-64.so.2 (0x…)`. */
export function parseLdd(listing: string): string[] {
  return [...listing.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map((match) => match[1] as string);
}

/** @returns undefined if the host has no such file. */
async function inputOf(target: string, path: string): Promise<Input | undefined> {
  try {
    const source = await realpath(path);
    const { size, mtimeMs } = await stat(source);
    return { target, source, bytes: size, changedMs: mtimeMs };
  } catch {
    return undefined;
  }
}

async function copyInput(image: string, { target, source }: Input): Promise<void> {
  const path = join(image, target);
  await mkdir(dirname(path), { recursive: true });
  await copyFile(source, path, constants.COPYFILE_FICLONE);
  await chmod(path, (await stat(source)).mode & 0o555);
}

async function makeLayout(image: string): Promise<void> {
  for (const folder of ["", ...FOLDERS]) await mkdir(join(image, folder), { recursive: true, mode: 0o755 });
  for (const folder of ["", ...FOLDERS]) await chmod(join(image, folder), 0o755);
  for (const [path, target] of Object.entries(LINKS)) await symlink(target, join(image, path));
  for (const [path, text] of Object.entries(FILES)) await writeFile(join(image, path), text, { mode: 0o644 });
}

/** Over /var/runtime the runtimes are mounted, with a link to this. */
const AWS_SDK_FOLDER = "usr/share/aws-sdk-js/node_modules";

const FOLDERS = [
  "/usr/bin",
  "/usr/lib",
  "/usr/lib64",
  "/usr/share/zoneinfo",
  "/etc/ssl/certs",
  "/etc/pki/tls/certs",
  "/home",
  "/var/task",
  "/var/runtime",
  "/var/lang/bin",
  "/opt",
  "/tmp",
  "/proc",
  "/dev",
  "/sys",
  "/run",
];

const LINKS = {
  "/bin": "usr/bin",
  "/sbin": "usr/bin",
  "/usr/sbin": "bin",
  "/lib": "usr/lib",
  "/lib64": "usr/lib64",
  "/var/tmp": "../tmp",
  // ES modules do not search NODE_PATH: this is where they find the AWS SDK, looking upwards from /var/task and /opt.
  "/node_modules": AWS_SDK_FOLDER,
  "/etc/localtime": "../usr/share/zoneinfo/UTC",
  "/etc/pki/tls/certs/ca-bundle.crt": "../../../ssl/certs/ca-certificates.crt",
};

/** The empty ones are covered by a mount. */
const FILES = {
  "/etc/passwd":
    "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n",
  "/etc/group": "root:x:0:\nsbx_user1051:x:990:\nnogroup:x:65534:\n",
  "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "/etc/hosts": "",
  "/etc/resolv.conf": "",
  "/var/lang/bin/node": "",
};

const DATA_FILES = ["/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/Etc/UTC"];

const LOADED_BY_NAME = [
  "libnss_files.so.2",
  "libnss_dns.so.2",
  "libresolv.so.2",
  "libatomic.so.1",
  "libstdc++.so.6",
  "libgcc_s.so.1",
  "librt.so.1",
];

const PROGRAMS =
  `sh bash awk base32 base64 basename cat chmod cksum comm cp curl cut date dd df diff dirname du echo env
  expand expr factor false find fold grep egrep fgrep gunzip gzip head hostname id install join kill ln ls md5sum mkdir
  mkfifo mktemp mv nl nohup nproc od openssl paste pathchk pgrep pr printenv printf ps pwd readlink realpath rev rm rmdir
  sed seq sha1sum sha256sum sha512sum shuf sleep sort split stat stty sum sync tac tail tar tee test timeout touch tr true
  truncate tsort tty uname unexpand uniq unlink wc which whoami xargs xxd yes`.split(/\s+/);
