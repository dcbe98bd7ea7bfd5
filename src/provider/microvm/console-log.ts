import { statSync, truncateSync } from "node:fs";
import { join } from "node:path";

/** A boot writes some KiB; the guest decides what else is written, and must not fill the host's disk. */
export const CONSOLE_BYTES_MAX = 8 * 1024 * 1024;

/** @param directory of the instance. */
export function consolePathIn(directory: string): string {
  return join(directory, "console.log");
}

/** Empties a console that has grown too long; QEMU appends, and so goes on at the beginning. */
export function boundConsole(directory: string): void {
  const path = consolePathIn(directory);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > CONSOLE_BYTES_MAX) truncateSync(path);
}
