import { randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HearthError } from "../model/error-code.ts";
import { DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import type { AccessKeys } from "../ports/access-keys.ts";
import type { Store } from "../ports/store.ts";

/** What else is kept there goes into it afterwards. @throws HearthError STORE_FAILED. */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    // Other users of the machine have no business with functions' code, logs and keys. What is there keeps its mode.
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    // Without isolation Node looks for the nearest package.json above a function; it must not be another project's.
    await writeFile(join(dataDir, "package.json"), "{}\n");
  } catch (error) {
    throw new HearthError("STORE_FAILED", `${dataDir}: ${(error as Error).message}`, { cause: error });
  }
}

/** Made once; agents' tokens and signed addresses hang on it, so they outlive a restart. */
export async function serverSecret(store: Store): Promise<string> {
  const known = await store.meta("secret");
  if (known !== undefined) return known;
  const secret = randomBytes(32).toString("hex");
  await store.putMeta("secret", secret);
  return secret;
}

/** The operator's own key, for the command line on this machine. */
export async function writeRootKey(dataDir: string, accessKeys: AccessKeys): Promise<void> {
  const known = accessKeys.list().find(({ accountId }) => accountId === DEFAULT_ACCOUNT_ID);
  const { accessKeyId, secretAccessKey } = known ?? (await accessKeys.create(DEFAULT_ACCOUNT_ID));
  const path = join(dataDir, "root-key.json");
  await writeFile(path, `${JSON.stringify({ accessKeyId, secretAccessKey }, null, 2)}\n`, { mode: 0o600 });
  await chmod(path, 0o600);
}
