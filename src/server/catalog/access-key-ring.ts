import { randomBytes } from "node:crypto";
import type { AccountId } from "../../model/ids.ts";
import type { AccessKeys } from "../../ports/access-keys.ts";
import type { AccessKey, Store } from "../../ports/store.ts";

/** Loads all credentials; a new one is stored before it is valid. @throws HearthError STORE_FAILED. */
export async function createAccessKeyRing(store: Store): Promise<AccessKeys> {
  const keys = new Map((await store.loadAccessKeys()).map((key) => [key.accessKeyId, key]));
  return {
    find: (accessKeyId) => keys.get(accessKeyId),
    create: async (accountId: AccountId): Promise<AccessKey> => {
      const key = {
        accessKeyId: `AKIA${base32(randomBytes(10))}`,
        secretAccessKey: randomBytes(30).toString("base64"),
        accountId,
      };
      await store.putAccessKey(key);
      keys.set(key.accessKeyId, key);
      return key;
    },
    remove: async (accessKeyId) => {
      await store.deleteAccessKey(accessKeyId);
      keys.delete(accessKeyId);
    },
    list: () => [...keys.values()],
  };
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Sixteen letters and digits from ten bytes, as in AWS's key ids. */
function base32(bytes: Buffer): string {
  let bits = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (let digits = (bytes.length * 8) / 5; digits > 0; digits--) {
    text = BASE32[Number(bits & 31n)] + text;
    bits >>= 5n;
  }
  return text;
}
