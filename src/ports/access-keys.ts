import type { AccountId } from "../model/ids.ts";
import type { AccessKey } from "./store.ts";

/** The credentials that the server knows; `find` is on the path of every signed request. */
export type AccessKeys = {
  find(accessKeyId: string): AccessKey | undefined;
  /** Makes a credential for an account. @throws HearthError STORE_FAILED. */
  create(accountId: AccountId): Promise<AccessKey>;
  remove(accessKeyId: string): Promise<void>;
  list(): AccessKey[];
};
