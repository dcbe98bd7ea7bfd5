import { rmSync } from "node:fs";
import { join } from "node:path";
import { mountFileSystem } from "../../host/mount.ts";

/** Each container has a folder or two and an empty file there. */
const SIZE_MIB = 4;

/**
 * On hosts with cgroup v1 that also mount an empty v2 hierarchy, crun refuses to work ("hybrid
 * mode"). So, for what runs in this mount namespace, a memory file system covers that hierarchy;
 * crun takes it for one more of version 1 and leaves a folder for each container in it.
 */
export class CoveredHierarchy {
  readonly #mountPoint: string | undefined;

  /** @param mountPoint of the hierarchy, if the host has such a one. */
  constructor(mountPoint: string | undefined) {
    this.#mountPoint = mountPoint;
    if (mountPoint !== undefined) mountFileSystem("tmpfs", "covered", mountPoint, `size=${SIZE_MIB}m,mode=755`);
  }

  /** Removes what was left for a group. */
  forget(cgroupPath: string): void {
    if (this.#mountPoint !== undefined) rmSync(join(this.#mountPoint, cgroupPath), { recursive: true, force: true });
  }
}
