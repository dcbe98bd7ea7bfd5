import { constants } from "node:os";

/**
 * The few calls of the C library that Node does not offer, made in this process: a bind mount
 * takes 30 µs so, and 1.3 ms by starting the mount program.
 */
type Libc = {
  mount(source: string, target: string, fileSystem: string, flags: bigint, data: string): number;
  umount2(target: string, flags: number): number;
  mkfifo(path: string, mode: number): number;
  waitpid(pid: number, status: Uint8Array, options: number): number;
  socketpair(domain: number, type: number, protocol: number, fds: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  ioctl(fd: number, request: bigint, argument: Uint8Array): number;
  lseek(fd: number, offset: bigint, whence: number): bigint;
  eventfd(initial: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epollFd: number, operation: number, fd: number, event: Uint8Array): number;
  sched_setscheduler(pid: number, policy: number, parameter: Uint8Array): number;
  sysconf(name: number): bigint;
  __errno_location(): bigint;
};

const SIGNATURES = {
  mount: { arguments: ["string", "string", "string", "u64", "string"], return: "i32" },
  umount2: { arguments: ["string", "i32"], return: "i32" },
  mkfifo: { arguments: ["string", "u32"], return: "i32" },
  waitpid: { arguments: ["i32", "buffer", "i32"], return: "i32" },
  socketpair: { arguments: ["i32", "i32", "i32", "buffer"], return: "i32" },
  socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
  ioctl: { arguments: ["i32", "u64", "buffer"], return: "i32" },
  lseek: { arguments: ["i32", "i64", "i32"], return: "i64" },
  eventfd: { arguments: ["u32", "i32"], return: "i32" },
  epoll_create1: { arguments: ["i32"], return: "i32" },
  epoll_ctl: { arguments: ["i32", "i32", "i32", "buffer"], return: "i32" },
  sched_setscheduler: { arguments: ["i32", "i32", "buffer"], return: "i32" },
  sysconf: { arguments: ["i32"], return: "i64" },
  __errno_location: { arguments: [], return: "pointer" },
} as const;

/** Linux numbers of the errors that callers tell apart. */
export const ERRNO = { ENOENT: 2, ENXIO: 6, EBUSY: 16, EINVAL: 22 } as const;

/** A call of the C library failed. */
export class LibcError extends Error {
  readonly errno: number;

  constructor(what: string, errno: number) {
    super(`${what}: ${describeErrno(errno)}`);
    this.name = "LibcError";
    this.errno = errno;
  }
}

let loaded: { libc: Libc; errno: () => number } | undefined;

/** @throws Error where there is no glibc or Node has no node:ffi. Loaded on first use: macOS may import this. */
export function libc(): Libc {
  return load().libc;
}

/** @returns the result of a call that tells failure by a negative number. @throws LibcError */
export function checked<T extends number | bigint>(result: T, what: () => string): T {
  if (result < 0) throw new LibcError(what(), load().errno());
  return result;
}

let pageSize: number | undefined;

/** What the kernel counts memory in: 4,096 on x86, up to 65,536 elsewhere. */
export function pageBytes(): number {
  const SC_PAGESIZE = 30;
  pageSize ??= Number(libc().sysconf(SC_PAGESIZE));
  return pageSize;
}

/** A connected pair of unix stream sockets that children do not inherit unless told to. */
export function socketPair(): [number, number] {
  const AF_UNIX = 1;
  const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
  const fds = Buffer.alloc(8);
  checked(libc().socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, fds), () => "socketpair");
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}

/** @throws LibcError */
export function makeFifo(path: string, mode: number): void {
  checked(libc().mkfifo(path, mode), () => `mkfifo ${path}`);
}

/** A counter that the kernel raises to tell of something; readable then. Not inherited by children. @throws LibcError */
export function makeEventFd(): number {
  const EFD_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
  return checked(libc().eventfd(0, EFD_CLOEXEC_NONBLOCK), () => "eventfd");
}

/**
 * This thread, and every process that it starts from now on, no longer takes the processor from whoever wakes it: the
 * other one finishes its turn first. Shares stay the same. @throws LibcError
 */
export function scheduleAsBatch(): void {
  const SCHED_BATCH = 3;
  const parameter = Buffer.alloc(4); // struct sched_param: priority 0, the only one of this policy.
  checked(libc().sched_setscheduler(0, SCHED_BATCH, parameter), () => "sched_setscheduler");
}

function load(): { libc: Libc; errno: () => number } {
  loaded ??= open();
  return loaded;
}

function open(): { libc: Libc; errno: () => number } {
  const ffi = withoutFfiWarning(() => process.getBuiltinModule("node:ffi"));
  if (ffi === undefined) throw new Error("this Node has no node:ffi");
  const { functions } = ffi.dlopen("libc.so.6", SIGNATURES);
  const calls = functions as unknown as Libc;
  return { libc: calls, errno: () => ffi.getInt32(calls.__errno_location()) };
}

/** node:ffi is experimental and says so once per process; every other warning stays. */
function withoutFfiWarning<T>(load: () => T): T {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).startsWith("FFI is an experimental feature")) emitWarning.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

function describeErrno(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
}
