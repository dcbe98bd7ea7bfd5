/** A seccomp filter as the OCI runtime specification writes it. */
export type SeccompProfile = {
  readonly defaultAction: string;
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
};

type SeccompRule = {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  readonly errnoRet?: number;
  readonly args?: readonly { index: number; value: number; valueTwo?: number; op: string }[];
};

const EPERM = 1;
const EMFILE = 24;
const ENOSYS = 38;

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
const CLONE_NAMESPACES = 0x7e020000;

/** AF_UNIX, AF_INET, AF_INET6, and AF_NETLINK, through which programs list network interfaces. */
const SOCKET_DOMAINS = [1, 2, 10, 16];

/** PER_LINUX, and the question which one is set. */
const PERSONALITIES = [0, 0xffffffff];

/**
 * What a function may ask of the kernel: files, memory, threads, processes, sockets, time. All
 * else is refused with EPERM: mounts, namespaces, other processes' memory, modules, keys, BPF,
 * io_uring, performance counters, userfaultfd, clocks, reboot. `clone3` hides its flags from the
 * filter, so it does not exist here and libraries fall back to `clone`. `inotify_init` says that
 * there are too many watchers: the kernel charges them, user namespace or not, to root of the whole
 * host, which has 128 by default; programs know the answer and poll instead.
 */
export function seccompProfile(architecture: NodeJS.Architecture = process.arch): SeccompProfile {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [architecture === "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"],
    syscalls: [
      { names: ALLOWED, action: "SCMP_ACT_ALLOW" },
      {
        names: ["clone"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      },
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      { names: ["inotify_init", "inotify_init1"], action: "SCMP_ACT_ERRNO", errnoRet: EMFILE },
      ...SOCKET_DOMAINS.map((domain) => allowFirstArgument("socket", domain)),
      ...PERSONALITIES.map((personality) => allowFirstArgument("personality", personality)),
    ],
  };
}

function allowFirstArgument(name: string, value: number): SeccompRule {
  return { names: [name], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] };
}

const FILES = `access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
  fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock
  fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek
  lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev
  pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr splice
  stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat
  utimes vmsplice write writev`;

const MEMORY = `brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap
  mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`;

const PROCESSES = `alarm arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait
  futex_waitv futex_wake get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid
  getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill pause
  pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
  sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
  sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area
  set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid
  setrlimit setsid setuid sigaltstack tgkill time times tkill uname vfork wait4 waitid getitimer sysinfo getrandom`;

const EVENTS = `accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
  eventfd eventfd2 getpeername getsockname getsockopt listen pipe pipe2 poll ppoll pselect6 recvfrom recvmmsg recvmsg
  select sendmmsg sendmsg sendto setsockopt shutdown signalfd signalfd4 socketpair`;

const TIME = `clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep timer_create timer_delete
  timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime`;

const SYSTEM_V = `ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
  semctl semget semop semtimedop shmat shmctl shmdt shmget`;

const ALLOWED = [FILES, MEMORY, PROCESSES, EVENTS, TIME, SYSTEM_V].flatMap((names) => names.split(/\s+/));
