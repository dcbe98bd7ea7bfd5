import { checked, ERRNO, LibcError, libc } from "./libc.ts";

const MS_RDONLY = 1n;
const MS_NOSUID = 2n;
const MS_NODEV = 4n;
const MS_REMOUNT = 32n;
const MS_NOATIME = 1024n;
const MS_BIND = 4096n;
const MS_SHARED = 1n << 20n;
const MNT_DETACH = 2;

/** A new file system for data: no set-uid programs, no devices. @throws LibcError */
export function mountFileSystem(fileSystem: string, source: string, target: string, options: string): void {
  const flags = MS_NOSUID | MS_NODEV | MS_NOATIME;
  checked(libc().mount(source, target, fileSystem, flags, options), () => `mount ${fileSystem} at ${target}`);
}

/** Lets mounts that are made below `target` from now on appear in its copies in other mount namespaces. */
export function shareMount(target: string): void {
  checked(libc().mount("none", target, "", MS_SHARED, ""), () => `share mount ${target}`);
}

/** Shows `source` at `target`, with the flags that it has there. @throws LibcError */
export function bindMount(source: string, target: string): void {
  checked(libc().mount(source, target, "", MS_BIND, ""), () => `bind ${source} at ${target}`);
}

/**
 * Shows `source` read-only, without set-uid programs and devices at `target`. The flags are set
 * after the mount appears, so copies that are propagated at once lack them: bind what this makes.
 */
export function bindMountReadOnly(source: string, target: string): void {
  bindMount(source, target);
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  checked(libc().mount("none", target, "", flags, ""), () => `make ${target} read-only`);
}

/** Takes the topmost mount off `target`, also while it is in use. @returns whether there was one. */
export function unmount(target: string): boolean {
  try {
    checked(libc().umount2(target, MNT_DETACH), () => `unmount ${target}`);
    return true;
  } catch (error) {
    if (error instanceof LibcError && (error.errno === ERRNO.EINVAL || error.errno === ERRNO.ENOENT)) return false;
    throw error;
  }
}
