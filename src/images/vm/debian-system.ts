import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../host/command.ts";
import { HearthError } from "../../model/error-code.ts";
import { hashOfFile } from "./file-hash.ts";

/** Raised when the files are laid out differently. */
const LAYOUT_VERSION = 1;
/** Files made while packages are unpacked are as old as this; the packages' own are older. 1 January 2024. */
export const SOURCE_DATE_EPOCH_S = 1_704_067_200;
const FETCH_TIMEOUT_MS = 900_000;
const UNPACK_TIMEOUT_MS = 120_000;
const PACKAGE_LIST = "packages.list";

/** The kernel, what the host agent and the sandbox provider run, and what containers find beside their code. */
const PACKAGES = [
  "linux-image-cloud-amd64",
  "busybox-static",
  "bash",
  "bsdextrautils",
  "ca-certificates",
  "coreutils",
  "crun",
  "curl",
  "dash",
  "diffutils",
  "e2fsprogs",
  "findutils",
  "gawk",
  "grep",
  "gzip",
  "hostname",
  "iproute2",
  "libatomic1",
  "libc-bin",
  "libstdc++6",
  "mount",
  "nftables",
  "openssl",
  "procps",
  "python3",
  "python3-boto3",
  "sed",
  "tar",
  "tzdata",
  "util-linux",
  "xxd",
];

/** Nothing runs them in a guest; together they are more than half of it. */
const LEFT_OUT = [
  "./dev/*",
  "./usr/lib/udev",
  "./lib/udev",
  "./lib/systemd",
  "./usr/lib/systemd",
  "./usr/lib/x86_64-linux-gnu/perl*",
  "./usr/lib/x86_64-linux-gnu/gconv/*",
  "./usr/share/doc",
  "./usr/share/info",
  "./usr/share/initramfs-tools",
  "./usr/share/locale",
  "./usr/share/man",
  "./usr/share/perl*",
  "./var/cache/*",
  "./var/lib/apt/*",
  "./var/lib/dpkg",
];

/** Unpacked packages of Debian. */
export type DebianSystem = {
  /** Changes with the packages' versions; the same versions give the same. */
  readonly sha256: string;
  /** Of the release, `bookworm`. */
  readonly suite: string;
  /** File names of the packages, which have their versions in them; sorted. */
  readonly packages: readonly string[];
  /** Unpacks it as the current user; device files and what no guest needs are left out. */
  unpack(directory: string): Promise<void>;
};

/**
 * Fetches the packages through apt, with the sources and proxies of this host, or takes what was fetched before for the
 * same list and sources. They are unpacked and not configured: no script of a package runs, and no root is needed.
 *
 * @param isRefreshed asks the sources again, for newer versions.
 * @throws HearthError PROVIDER_UNAVAILABLE when this is no Debian; Error with what apt said.
 */
export async function fetchDebianSystem(imagesDir: string, isRefreshed: boolean): Promise<DebianSystem> {
  const suite = await debianSuite();
  const sources = await aptSources();
  const texts = await Promise.all(sources.map((path) => readFile(path, "utf8")));
  const key = createHash("sha256").update(JSON.stringify([LAYOUT_VERSION, suite, PACKAGES, texts]));
  const archive = join(imagesDir, `debian-${key.digest("hex").slice(0, 16)}.tar`);
  if (isRefreshed || !existsSync(archive)) await fetchArchive(archive, suite, sources);
  await removeOthers(imagesDir, archive);
  const packages = (await runCommand("tar", ["-xOf", archive, `./${PACKAGE_LIST}`])).split("\n").filter(Boolean);
  return {
    sha256: await hashOfFile(archive),
    suite,
    packages: packages.toSorted(),
    unpack: (directory) => unpack(archive, directory),
  };
}

async function fetchArchive(archive: string, suite: string, sources: readonly string[]): Promise<void> {
  const unfinished = `${archive}.unfinished-${process.pid}`;
  const listed = `ls "$1/var/cache/apt/archives" | grep "[.]deb$" >"$1/${PACKAGE_LIST}"`;
  const args = [
    "--variant=extract",
    "--format=tar",
    "--architectures=amd64",
    `--include=${PACKAGES.join(",")}`,
    `--extract-hook=${listed}`,
    ...(await aptOptions()).map((option) => `--aptopt=${option}`),
    suite,
    unfinished,
    ...sources,
  ];
  const variables = [`SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH_S}`];
  try {
    await runCommand("env", [...variables, ...fetcher(), ...args], { timeoutMs: FETCH_TIMEOUT_MS });
    await rename(unfinished, archive);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Without root the files' owners are only pretended; the image gives all to root anyway. */
function fetcher(): readonly string[] {
  return process.getuid?.() === 0 ? ["mmdebstrap"] : ["fakeroot", "mmdebstrap", "--mode=chrootless"];
}

async function unpack(archive: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const leftOut = LEFT_OUT.map((path) => `--exclude=${path}`);
  const args = ["-xf", archive, "-C", directory, "--no-same-owner", "--wildcards", ...leftOut];
  await runCommand("tar", args, { timeoutMs: UNPACK_TIMEOUT_MS });
  await makeCertificates(directory);
  // What the packages' scripts would have linked.
  await runCommand("ln", ["-sf", "gawk", join(directory, "usr/bin/awk")]);
  await runCommand("ln", ["-sf", "which.debianutils", join(directory, "usr/bin/which")]);
}

/** As ca-certificates does when it is configured: all in one file. */
async function makeCertificates(directory: string): Promise<void> {
  const folder = join(directory, "usr/share/ca-certificates/mozilla");
  const names = (await readdir(folder)).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  await mkdir(join(directory, "etc/ssl/certs"), { recursive: true });
  await writeFile(join(directory, "etc/ssl/certs/ca-certificates.crt"), texts.join(""));
}

async function debianSuite(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const suite = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1];
  if (/^ID="?debian"?$/m.test(release) && suite !== undefined) return suite;
  throw new HearthError(
    "PROVIDER_UNAVAILABLE",
    "the image is made of Debian packages with the apt sources of the host: build it on Debian and copy the folder",
  );
}

async function aptSources(): Promise<string[]> {
  const folder = "/etc/apt/sources.list.d";
  const names = await readdir(folder).catch(() => []);
  const paths = names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name));
  const all = [...(existsSync("/etc/apt/sources.list") ? ["/etc/apt/sources.list"] : []), ...paths.toSorted()];
  if (all.length === 0) throw new HearthError("PROVIDER_UNAVAILABLE", "apt has no sources on this host");
  return all;
}

/** How this host reaches its sources: proxies, certificates, and whether mirrors that lag behind are taken. */
async function aptOptions(): Promise<string[]> {
  const dump = await runCommand("apt-config", ["dump"]);
  return dump.split("\n").filter((line) => /^Acquire::(?:https?|ftp|Check-|Retries)\S* ".+";$/.test(line));
}

async function removeOthers(imagesDir: string, kept: string): Promise<void> {
  const names = (await readdir(imagesDir)).filter((name) => /^debian-[0-9a-f]+\.tar$/.test(name));
  for (const name of names) if (join(imagesDir, name) !== kept) await rm(join(imagesDir, name), { force: true });
}
