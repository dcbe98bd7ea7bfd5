import type { CapacitySettings } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";

/** One change of an account's capacity settings. The latest one says what they are. */
export type CapacityChange = {
  readonly accountId: AccountId;
  readonly changedMs: number;
  /** The access key that signed the change; `unsigned`: somebody on the server's own machine. */
  readonly changedBy: string;
  readonly before: CapacitySettings;
  readonly after: CapacitySettings;
};

/** Changes of one account that are kept; the oldest go first. */
export const CAPACITY_CHANGES_KEPT = 200;
