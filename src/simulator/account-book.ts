import type { CapacitySettings } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";
import { NOTHING_SAID } from "./capacity-rules.ts";

/** What the core of now was told about one account, and has of it. */
export class AccountBook {
  readonly id: AccountId;
  capacity: CapacitySettings = NOTHING_SAID;
  /** When these settings were told. */
  toldMs = 0;
  /** Invocations that the core holds without a lease, and executions that it counts. */
  waiting = 0;
  running = 0;

  constructor(id: AccountId) {
    this.id = id;
  }
}
