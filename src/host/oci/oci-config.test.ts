import { describe, expect, test } from "vitest";
import { ociConfig } from "./oci-config.ts";
import { seccompProfile } from "./seccomp-profile.ts";

const CONTAINER = {
  rootDir: "/root-dir",
  command: ["/bin/true"],
  environment: { A: "1" },
  binds: [
    { source: "/a", target: "/var/runtime" },
    { source: "/b", target: "/tmp", isPropagated: true },
  ],
  cgroupPath: "/g",
  uidBase: 5000,
  userNamespace: true,
};

describe("the system calls of a function", () => {
  const allowed = new Set(
    seccompProfile("x64").syscalls.flatMap(({ names, action, args }) =>
      action === "SCMP_ACT_ALLOW" && args === undefined ? names : [],
    ),
  );

  test.each([
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "bpf",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "io_uring_setup",
    "perf_event_open",
    "unshare",
    "setns",
    "clone",
    "clone3",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "kexec_load",
    "open_by_handle_at",
    "socket",
    "personality",
    "quotactl",
    "swapon",
    "settimeofday",
    "clock_settime",
    "iopl",
    "ioperm",
    "acct",
    "fsopen",
    "move_mount",
  ])("%s is not allowed whatever its arguments", (name) => {
    expect(allowed.has(name)).toBe(false);
  });

  test("what is not listed is refused", () => {
    expect(seccompProfile("arm64")).toMatchObject({
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
      architectures: ["SCMP_ARCH_AARCH64"],
    });
  });
});

describe("the bundle's configuration", () => {
  test("maps root and all others of a container to its own range of the host's uids", () => {
    const mapping = [{ containerID: 0, hostID: 5000, size: 1024 }];
    expect(ociConfig(CONTAINER)).toMatchObject({
      process: { user: { uid: 993, gid: 990 } },
      linux: { uidMappings: mapping, gidMappings: mapping },
    });
  });

  test("without user namespace, the process has the host uid itself", () => {
    const config = ociConfig({ ...CONTAINER, userNamespace: false });
    expect(config).toMatchObject({ process: { user: { uid: 5993, gid: 5990 } } });
    expect(JSON.stringify(config)).not.toContain("uidMappings");
  });

  test("what is charged to root of the host is limited too", () => {
    const { process } = ociConfig(CONTAINER) as { process: { rlimits: { type: string }[] } };
    const types = process.rlimits.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(["RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_MEMLOCK"]));
    expect(seccompProfile("x64").syscalls.find(({ names }) => names.includes("inotify_init1"))).toMatchObject({
      action: "SCMP_ACT_ERRNO",
      errnoRet: 24,
    });
  });

  test("binds are read-only, save those that follow later mounts", () => {
    const { mounts } = ociConfig(CONTAINER) as { mounts: { destination: string; options: string[] }[] };
    const options = (target: string) => mounts.find(({ destination }) => destination === target)?.options;
    expect(options("/var/runtime")).toContain("ro");
    expect(options("/tmp")).toContain("rslave");
  });
});
