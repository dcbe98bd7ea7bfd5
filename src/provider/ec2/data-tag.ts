import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HearthError } from "../../model/error-code.ts";

const FILE = "ec2-data-id";

/**
 * What marks the machines of this data directory in the AWS account: drawn once and kept in it. A name made of the
 * directory's path, as on one host, would be the same on two servers, and each would end the other's machines.
 *
 * @returns 16 hexadecimal digits. @throws HearthError STORE_FAILED: the file cannot be read or written, or is damaged.
 */
export async function dataIdIn(dataDir: string): Promise<string> {
  const path = join(dataDir, FILE);
  try {
    const known = await readIfThere(path);
    if (known === undefined) return await make(path);
    if (/^[0-9a-f]{16}\n$/.test(known)) return known.trim();
  } catch (error) {
    throw new HearthError("STORE_FAILED", (error as Error).message, { cause: error });
  }
  throw new HearthError("STORE_FAILED", `${path} is damaged: without it Hearth does not find its machines in EC2`);
}

/** Whole or not at all, and on disk before there is a machine that bears it. */
async function make(path: string): Promise<string> {
  const dataId = randomBytes(8).toString("hex");
  await writeFile(`${path}.draft`, `${dataId}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.draft`, path);
  return dataId;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
