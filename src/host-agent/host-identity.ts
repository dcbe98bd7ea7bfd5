import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { loadOrMakeKey, type PinnedKey, writeWhole } from "../protocol/pinned-key.ts";

const KEY_FILE = "host-key.json";
const MEMBERSHIP_FILE = "host.json";

const membershipSchema = z.object({ hostId: z.string(), serverKeySha256: z.string() });

/** Which server a machine joined, and as which of its hosts. */
export type Membership = z.infer<typeof membershipSchema>;

/** What a host is known by, in its data folder. */
export type HostIdentity = {
  readonly key: PinnedKey;
  /** undefined: it joined none yet. */
  readonly membership: Membership | undefined;
  /** On disk when it resolves. */
  remember(membership: Membership): Promise<void>;
};

/** Reads the identity; makes the key if there is none. @throws Error naming the file that cannot be read or written. */
export async function loadIdentity(dataDir: string): Promise<HostIdentity> {
  const key = await loadOrMakeKey(join(dataDir, KEY_FILE), "hearth host");
  const path = join(dataDir, MEMBERSHIP_FILE);
  return { key, membership: await readMembership(path), remember: (next) => writeWhole(path, JSON.stringify(next)) };
}

async function readMembership(path: string): Promise<Membership | undefined> {
  try {
    return membershipSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`${path} is damaged; remove it and join again: ${(error as Error).message}`, { cause: error });
  }
}
