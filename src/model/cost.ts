import type { AccountId } from "./ids.ts";
import type { SubPool } from "./instance.ts";

/**
 * What one function, or the instances of one account, cost on one day (UTC) in one sub-pool; defined in
 * docs/design/0012-costs.md. All figures are sums over the day so far.
 */
export type CostRow = {
  /** `2026-11-21`. */
  readonly day: string;
  /** undefined: instances that were nobody's, the warming pool. */
  readonly accountId: AccountId | undefined;
  /** undefined: the row is of the account's instances, whatever ran on them; else of the executions of this function. */
  readonly functionName: string | undefined;
  readonly subPool: SubPool;
  /** Of a function's row: executions that ended, and their wall time. 0 in a row of instances. */
  readonly invocations: number;
  readonly busyMs: number;
  /** Of a function's row: the share of the instances' price that its executions used, by memory and time. */
  readonly runUsd: number;
  /** Of a row of instances: how long they were held together, and their price over that time. 0 in a function's row. */
  readonly heldMs: number;
  readonly heldUsd: number;
  /** What `runUsd` or `heldUsd` would have been on fixed capacity alone. */
  readonly fixedUsd: number;
};

/** Functions of one day beyond the ledger's bound are counted together under this name, which no function can have. */
export const OTHER_FUNCTIONS = "(other functions)";
