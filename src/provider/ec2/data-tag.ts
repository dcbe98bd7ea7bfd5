import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

const FILE = "ec2-data-id";

/**
 * What marks the machines of this data directory in the AWS account: drawn once and kept in it. A name made of the
 * directory's path, as on one host, would be the same on two servers, and each would end the other's machines.
 *
 * @returns 16 hexadecimal digits. @throws Error when the directory cannot be read or written.
 */
export async function dataIdIn(dataDir: string): Promise<string> {
  const path = join(dataDir, FILE);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (/^[0-9a-f]{16}\n$/.test(known)) return known.trim();
  if (known !== "") throw new Error(`${path} is damaged: without it Hearth does not find its machines in EC2`);
  const dataId = randomBytes(8).toString("hex");
  await writeFile(`${path}.draft`, `${dataId}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.draft`, path);
  return dataId;
}
