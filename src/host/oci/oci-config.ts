import { seccompProfile } from "./seccomp-profile.ts";

/** Version of the OCI runtime specification that both runc 1.1 and crun 1.8 know. */
const OCI_VERSION = "1.0.2";

/** The user that functions run as in Lambda, `sbx_user1051`; see the base image's passwd. */
export const SANDBOX_UID = 993;
export const SANDBOX_GID = 990;

/** Host uids that one container takes: those of the base image's passwd, root to nobody, fit into it. */
export const UIDS_PER_CONTAINER = 1024;

/** As many as Lambda gives. */
const OPEN_FILES_MAX = 1024;
const CORE_BYTES_MAX = 0;
/**
 * The kernel charges these to the one who made the user namespace too, root of the whole host, so
 * containers must leave most of root's share: queued signals (timers count), POSIX message queues
 * (Lambda's functions have no use for them), locked memory.
 */
const PENDING_SIGNALS_MAX = 256;
const MESSAGE_QUEUE_BYTES_MAX = 0;
const LOCKED_BYTES_MAX = 64 * 1024;
/** Out of memory, the kernel takes a container that does not work yet before anything else. */
const OOM_SCORE_ADJUSTMENT = 1000;

export type OciBind = {
  readonly source: string;
  readonly target: string;
  /** Mounts that appear at the source later appear at the target too. */
  readonly isPropagated?: boolean;
};

/** What one process of a container is. */
export type OciProgram = {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** First host uid and gid of the container's range. */
  readonly uidBase: number;
  /** Without: the process runs as `uidBase + SANDBOX_UID` of the host. */
  readonly userNamespace: boolean;
};

export type OciContainer = OciProgram & {
  readonly rootDir: string;
  /** Read-only except where the source's file system says otherwise. */
  readonly binds: readonly OciBind[];
  readonly cgroupPath: string;
};

/** Host uid of the function's processes. */
export function hostUidOf(uidBase: number): number {
  return uidBase + SANDBOX_UID;
}

/** The bundle's config.json: everything that confines a container, in one place. */
export function ociConfig(container: OciContainer): object {
  return {
    ociVersion: OCI_VERSION,
    process: ociProcess(container),
    root: { path: container.rootDir, readonly: true },
    hostname: "hearth",
    mounts: [...SYSTEM_MOUNTS, ...container.binds.map(bindOf)],
    linux: {
      cgroupsPath: container.cgroupPath,
      namespaces: namespacesOf(container),
      ...(container.userNamespace ? idMappings(container.uidBase) : {}),
      rootfsPropagation: "slave",
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
      seccomp: seccompProfile(),
    },
  };
}

/** A process of a container, its first or a later one. */
export function ociProcess(program: OciProgram): object {
  const capabilities = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  return {
    terminal: false,
    user: userOf(program),
    args: program.command,
    env: Object.entries(program.environment).map(([name, value]) => `${name}=${value}`),
    cwd: "/",
    capabilities,
    rlimits: RLIMITS,
    noNewPrivileges: true,
    oomScoreAdj: OOM_SCORE_ADJUSTMENT,
  };
}

function userOf({ userNamespace, uidBase }: OciProgram): { uid: number; gid: number } {
  const base = userNamespace ? 0 : uidBase;
  return { uid: base + SANDBOX_UID, gid: base + SANDBOX_GID };
}

/** No network namespace: a container shares its instance's. */
function namespacesOf({ userNamespace }: OciContainer): { type: string }[] {
  const types = ["pid", "ipc", "uts", "mount", "cgroup", ...(userNamespace ? ["user"] : [])];
  return types.map((type) => ({ type }));
}

function idMappings(uidBase: number): object {
  const mapping = [{ containerID: 0, hostID: uidBase, size: UIDS_PER_CONTAINER }];
  return { uidMappings: mapping, gidMappings: mapping };
}

function limit(type: string, value: number): object {
  return { type, hard: value, soft: value };
}

const RLIMITS = [
  limit("RLIMIT_NOFILE", OPEN_FILES_MAX),
  limit("RLIMIT_CORE", CORE_BYTES_MAX),
  limit("RLIMIT_SIGPENDING", PENDING_SIGNALS_MAX),
  limit("RLIMIT_MSGQUEUE", MESSAGE_QUEUE_BYTES_MAX),
  limit("RLIMIT_MEMLOCK", LOCKED_BYTES_MAX),
];

function bindOf(bind: OciBind): object {
  const options = bind.isPropagated ? ["rbind", "rslave", "nosuid", "nodev"] : ["bind", "ro", "nosuid", "nodev"];
  return { destination: bind.target, type: "bind", source: bind.source, options };
}

/** A /dev with the five harmless devices that OCI runtimes make; no /sys, no /dev/shm (Lambda has neither to write). */
const SYSTEM_MOUNTS = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"],
  },
];

const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/interrupts",
];

const READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
