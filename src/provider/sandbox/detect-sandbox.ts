import { mkdir, readFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { type CgroupHost, detectCgroups } from "../../host/cgroup-host.ts";
import { findProgram } from "../../host/command.ts";
import { ensureBaseImage } from "./base-image.ts";
import { dataIdOf, mountDirOf } from "./data-id.ts";
import { hostNameservers } from "./host-addresses.ts";
import { missingNetworkPrograms } from "./sandbox-network.ts";
import type { SandboxOptions } from "./sandbox-options.ts";
import { canMountDisk, type Trial, tryContainer } from "./sandbox-trial.ts";

/** What this host can do; found out by trying. */
export type SandboxFinding = {
  readonly ociRuntimePath: string;
  readonly userNamespace: boolean;
  readonly tmpOnDisk: boolean;
  readonly baseImageDir: string;
};

export type SandboxDetection =
  | { readonly works: true; readonly isolation: string; readonly finding: SandboxFinding }
  /** One sentence: what is missing, and the remedy. */
  | { readonly works: false; readonly reason: string };

/** crun starts a container in a fraction of runc's time. */
const OCI_RUNTIMES = ["crun", "runc"];
const HOST_PROGRAMS = ["unshare", "mount", "ldd"];

export type DetectSandboxOptions = Pick<
  SandboxOptions,
  "dataDir" | "imagesDir" | "nodeBinaries" | "network" | "ociRuntimes"
>;

/**
 * Finds out whether this host can run sandboxes, by running one container as instances do. The
 * finding is kept in the data directory and holds until the host's kernel or programs change.
 */
export async function detectSandbox(options: DetectSandboxOptions): Promise<SandboxDetection> {
  if (process.platform !== "linux") return no("sandboxes need Linux", "use the process provider here");
  if (process.getuid?.() !== 0) return no("sandboxes need root", "start Hearth as root, or by sudo");
  const cgroups = detectCgroups();
  if ("missing" in cgroups) return no(cgroups.missing, "boot with the memory, cpu and pids controllers enabled");
  const missing = await missingPrograms(HOST_PROGRAMS);
  if (missing.length > 0) return no(`the host lacks ${missing.join(", ")}`, "install util-linux and libc-bin");
  const runtimes = await programPaths(options.ociRuntimes ?? OCI_RUNTIMES);
  if (runtimes.length === 0) return no("there is neither runc nor crun", "install one of them");
  try {
    const finding = await findOut(options, cgroups, runtimes);
    return { works: true, finding, isolation: await describe(finding, cgroups, options.network) };
  } catch (error) {
    return no(`no container could be run: ${(error as Error).message}`, "see the sandbox provider's README");
  }
}

function no(missing: string, remedy: string): SandboxDetection {
  return { works: false, reason: `${missing}; ${remedy}` };
}

async function findOut(
  options: DetectSandboxOptions,
  cgroups: CgroupHost,
  runtimes: readonly string[],
): Promise<SandboxFinding> {
  const stateDir = join(options.dataDir, "sandbox");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const dataId = dataIdOf(options.dataDir);
  const nodeBinaries = Object.values(options.nodeBinaries);
  const baseImageDir = await ensureBaseImage(options.imagesDir, nodeBinaries, !hasInstances(cgroups));
  const key = JSON.stringify([release(), await bootId(), runtimes, baseImageDir]);
  const kept = await readFinding(stateDir, key);
  if (kept !== undefined) return kept;
  const cgroup = cgroups.group(`/hearth-trial-${dataId}`);
  const { unusedMount } = cgroups;
  const trial: Trial = { mountDir: `${mountDirOf(dataId)}-trial`, baseImageDir, cgroup, unusedMount };
  const runs = await tryRuntimes(trial, runtimes);
  const finding = { ...runs, tmpOnDisk: await canMountDisk(stateDir), baseImageDir };
  await writeFile(findingPath(stateDir), JSON.stringify({ key, finding }));
  return finding;
}

/** Of whichever data directory: several may share one folder of images. */
function hasInstances(cgroups: CgroupHost): boolean {
  const groups = cgroups.group("/").children();
  return groups.some((name) => name.startsWith("hearth-") && cgroups.group(`/${name}`).children().length > 0);
}

/** With a user namespace if at all possible; the first failure is the one that is told. */
async function tryRuntimes(trial: Trial, runtimes: readonly string[]) {
  const failures: unknown[] = [];
  for (const userNamespace of [true, false]) {
    for (const ociRuntimePath of runtimes) {
      try {
        await tryContainer(trial, ociRuntimePath, userNamespace);
        return { ociRuntimePath, userNamespace };
      } catch (error) {
        failures.push(error);
      }
    }
  }
  throw failures[0];
}

async function describe(finding: SandboxFinding, cgroups: CgroupHost, network: boolean): Promise<string> {
  const parts = [
    finding.userNamespace ? "user namespaces" : "an own uid each (no user namespaces here)",
    "seccomp",
    "read-only root",
    `limits by cgroup v${cgroups.version}`,
    finding.tmpOnDisk ? "/tmp on disk" : "/tmp in the function's memory (mkfs.ext4 or loop devices are missing)",
    await describeNetwork(network),
  ];
  return `containers by ${finding.ociRuntimePath} with ${parts.join(", ")}`;
}

async function describeNetwork(network: boolean): Promise<string> {
  if (!network) return "no network, as configured";
  const missing = await missingNetworkPrograms();
  if (missing.length > 0) return `no network (${missing.join(", ")} missing)`;
  return hostNameservers().length > 0
    ? "network by NAT"
    : "network by NAT without names (the host has no nameserver but on itself)";
}

async function readFinding(stateDir: string, key: string): Promise<SandboxFinding | undefined> {
  try {
    const kept = JSON.parse(await readFile(findingPath(stateDir), "utf8"));
    return kept.key === key ? kept.finding : undefined;
  } catch {
    return undefined; // Nothing kept, or not whole: found out anew.
  }
}

function findingPath(stateDir: string): string {
  return join(stateDir, "finding.json");
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

async function programPaths(names: readonly string[]): Promise<string[]> {
  const paths = await Promise.all(names.map((name) => findProgram(name)));
  return paths.filter((path) => path !== undefined);
}

async function missingPrograms(names: readonly string[]): Promise<string[]> {
  const paths = await Promise.all(names.map((name) => findProgram(name)));
  return names.filter((_, index) => paths[index] === undefined);
}
