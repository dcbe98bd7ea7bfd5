import { closeSync, openSync } from "node:fs";
import { checked, ERRNO, LibcError, libc } from "./libc.ts";

// linux/loop.h
const LOOP_CTL_GET_FREE = 0x4c82n;
const LOOP_CONFIGURE = 0x4c0an;
const LOOP_CONFIG_BYTES = 304;
const FLAGS_OFFSET = 8 + 52;
const LO_FLAGS_AUTOCLEAR = 4;

/** Others may take the free device between asking for it and taking it. */
const ATTEMPTS_MAX = 64;

/**
 * Makes an open file a block device, calls `use` with its path and gives it up: the device frees
 * itself once nothing (no mount) uses it any more.
 *
 * @throws LibcError or an error of `openSync` where loop devices are missing or forbidden.
 */
export function withLoopDevice(fileFd: number, use: (devicePath: string) => void): void {
  const controlFd = openSync("/dev/loop-control", "r+");
  try {
    const device = attach(controlFd, fileFd);
    try {
      use(device.path);
    } finally {
      closeSync(device.fd);
    }
  } finally {
    closeSync(controlFd);
  }
}

function attach(controlFd: number, fileFd: number): { path: string; fd: number } {
  const config = Buffer.alloc(LOOP_CONFIG_BYTES);
  config.writeUInt32LE(fileFd, 0);
  config.writeUInt32LE(LO_FLAGS_AUTOCLEAR, FLAGS_OFFSET);
  for (let attempt = 1; ; attempt += 1) {
    const number = checked(libc().ioctl(controlFd, LOOP_CTL_GET_FREE, Buffer.alloc(8)), () => "free loop device");
    const path = `/dev/loop${number}`;
    const fd = openSync(path, "r+");
    try {
      checked(libc().ioctl(fd, LOOP_CONFIGURE, config), () => `configure ${path}`);
      return { path, fd };
    } catch (error) {
      closeSync(fd);
      const isTaken = error instanceof LibcError && error.errno === ERRNO.EBUSY;
      if (!isTaken || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
