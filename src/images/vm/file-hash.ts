import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const PART_BYTES = 1024 * 1024;

/** SHA-256 in lower-case hex. */
export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path, { highWaterMark: PART_BYTES })) hash.update(part as Buffer);
  return hash.digest("hex");
}
