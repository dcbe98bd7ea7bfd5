import { mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Cgroup } from "../../host/cgroup.ts";
import { runCommand } from "../../host/command.ts";
import { ociConfig, SANDBOX_UID } from "../../host/oci/oci-config.ts";
import { UID_BASE } from "./instance-slots.ts";

const TRIAL_TIMEOUT_MS = 20_000;
const TRIAL_MEMORY_MIB = 64;
const TRIAL_DISK_MIB = 16;

const OWN_NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"];

/** Same steps as an agent takes: a memory file system, the base image in it, the runtime on top. */
const RUN_SCRIPT = `set -e
  mount -t tmpfs -o mode=755 hearth "$1"
  mkdir "$1/base" "$1/bundle"
  mount --bind "$2" "$1/base"
  cat > "$1/bundle/config.json"
  test -z "$4" || mount -t tmpfs -o size=1m covered "$4"
  exec "$3" --root "$1/state" run --bundle "$1/bundle" trial`;

const DISK_SCRIPT = `set -e
  truncate -s ${TRIAL_DISK_MIB}M "$2"
  mkfs.ext4 -q -F "$2"
  mount -o loop,nosuid,nodev "$2" "$1"`;

export type Trial = {
  readonly mountDir: string;
  readonly baseImageDir: string;
  /** Of its own, removed afterwards. */
  readonly cgroup: Cgroup;
  /** See `CgroupHost.unusedMount`. */
  readonly unusedMount: string | undefined;
};

/**
 * Runs one confined container of the base image and looks whether it is confined.
 *
 * @throws Error with what the runtime or the container said.
 */
export async function tryContainer(trial: Trial, ociRuntimePath: string, userNamespace: boolean): Promise<void> {
  const config = ociConfig({
    rootDir: join(trial.mountDir, "base"),
    command: ["/bin/cat", "/proc/self/status"],
    environment: {},
    binds: [],
    cgroupPath: join(trial.cgroup.path, "container"),
    uidBase: UID_BASE,
    userNamespace,
  });
  await mkdir(trial.mountDir, { recursive: true, mode: 0o755 });
  trial.cgroup.create();
  try {
    trial.cgroup.setLimits({ memoryMiB: TRIAL_MEMORY_MIB });
    const args = [trial.mountDir, trial.baseImageDir, ociRuntimePath, trial.unusedMount ?? ""];
    const script = ["/bin/sh", "-c", RUN_SCRIPT, "trial", ...args];
    const options = { input: JSON.stringify(config), timeoutMs: TRIAL_TIMEOUT_MS };
    const status = await runCommand("unshare", [...OWN_NAMESPACES, ...script], options);
    const uid = userNamespace ? SANDBOX_UID : UID_BASE + SANDBOX_UID;
    const expected = [`Uid:\t${uid}\t`, "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"];
    const missing = expected.filter((line) => !status.includes(line));
    if (missing.length > 0) throw new Error(`a container ran without ${missing.join(", ")}`);
  } finally {
    trial.cgroup.killAll();
    trial.cgroup.remove();
    await rmdir(trial.mountDir);
  }
}

/** @returns whether a file can be mounted as an ext4 file system. */
export async function canMountDisk(scratchDir: string): Promise<boolean> {
  const target = join(scratchDir, "trial-mount");
  const image = join(scratchDir, "trial-image");
  await mkdir(target, { recursive: true });
  try {
    const script = ["/bin/sh", "-c", DISK_SCRIPT, "trial", target, image];
    await runCommand("unshare", [...OWN_NAMESPACES, ...script], { timeoutMs: TRIAL_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  } finally {
    await rm(image, { force: true });
    await rmdir(target);
  }
}
