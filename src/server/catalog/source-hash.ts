import { createHash } from "node:crypto";
import type { VersionRecord } from "../../ports/function-catalog.ts";

/** Lower-case hex sha256 of what a version is made of: its code and its settings, in whatever order these were given. */
export function sourceHash({ code, settings }: Pick<VersionRecord, "code" | "settings">): string {
  return createHash("sha256")
    .update(JSON.stringify([code.sha256Hex, settings], sorted))
    .digest("hex");
}

/** For JSON.stringify: the members of objects by name. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
