import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The longest path of a unix socket on Linux is 107 bytes, on macOS 103. */
const SOCKET_PATH_BYTES_MAX = 100;

/** A path for a unix socket of this data directory: in it, or elsewhere when that is too long. */
export function socketPathIn(dataDir: string): string {
  const path = join(dataDir, "agents.sock");
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `hearth-${hash}.sock`);
}
