import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cgroup } from "./cgroup.ts";
import { CgroupV1, CONTROLLERS_V1, type HierarchiesV1 } from "./cgroup-v1.ts";
import { CgroupV2, CONTROLLERS_V2 } from "./cgroup-v2.ts";

/** The control groups of a host. */
export type CgroupHost = {
  readonly version: 1 | 2;
  /**
   * Where a hierarchy of version 2 is mounted beside those of version 1 that are used. crun
   * refuses to work in sight of it, so it is covered where crun is started.
   */
  readonly unusedMount: string | undefined;
  /** @param path `/a/b`, relative to the root of the hierarchies. Nothing is made. */
  group(path: string): Cgroup;
};

/** @returns the host's control groups, or a sentence about what they lack. */
export function detectCgroups(
  mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8"),
): CgroupHost | { readonly missing: string } {
  const mounts = parseCgroupMounts(mountInfo);
  const unified = mounts.find((mount) => mount.version === 2);
  const first = mounts.filter((mount) => mount.version === 1);
  if (first.some((mount) => mount.controllers.includes("memory"))) return hostV1(mounts);
  if (unified === undefined) return { missing: "no control groups are mounted at /sys/fs/cgroup" };
  const controllers = readFileSync(join(unified.directory, "cgroup.controllers"), "utf8").split(/\s+/);
  const missing = CONTROLLERS_V2.filter((controller) => !controllers.includes(controller));
  if (missing.length > 0) return { missing: `control groups lack the controllers ${missing.join(", ")}` };
  return { version: 2, unusedMount: undefined, group: (path) => new CgroupV2(unified.directory, path) };
}

type CgroupMount = { version: 1 | 2; directory: string; controllers: readonly string[] };

function hostV1(mounts: readonly CgroupMount[]): CgroupHost | { missing: string } {
  const directoryOf = (controller: string) => mounts.find((mount) => mount.controllers.includes(controller))?.directory;
  const missing = CONTROLLERS_V1.filter((controller) => directoryOf(controller) === undefined);
  if (missing.length > 0) return { missing: `control groups lack the controllers ${missing.join(", ")}` };
  const controllers = Object.fromEntries(CONTROLLERS_V1.map((controller) => [controller, directoryOf(controller)]));
  const hierarchies: HierarchiesV1 = {
    controllers: controllers as HierarchiesV1["controllers"],
    all: mounts.filter((mount) => mount.version === 1).map((mount) => mount.directory),
  };
  const unusedMount = mounts.find((mount) => mount.version === 2)?.directory;
  return { version: 1, unusedMount, group: (path) => new CgroupV1(hierarchies, path) };
}

/** Field 5 is the mount point; what follows " - " is the file system, its source and its options. */
function parseCgroupMounts(mountInfo: string): CgroupMount[] {
  return mountInfo.split("\n").flatMap((line): CgroupMount[] => {
    const [before, after] = line.split(" - ");
    const directory = before?.split(" ")[4];
    const [fileSystem, , options] = after?.split(" ") ?? [];
    if (directory === undefined || options === undefined) return [];
    if (fileSystem === "cgroup2") return [{ version: 2, directory, controllers: [] }];
    if (fileSystem === "cgroup") return [{ version: 1, directory, controllers: options.split(",") }];
    return [];
  });
}
