import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";

/** Tells what belongs to one data directory apart on the host: control groups, interfaces, firewall table. */
export function dataIdOf(dataDir: string): string {
  return createHash("sha256").update(realpathSync(dataDir)).digest("hex").slice(0, 8);
}

/** Empty on the host; each agent mounts its own file system there, where nobody else sees it. */
export function mountDirOf(dataId: string): string {
  return `/run/hearth-${dataId}`;
}

/** The same as a number, for choices that should differ between data directories. */
export function seedOf(dataId: string): number {
  return Number.parseInt(dataId, 16);
}
