import type { SizedVersion } from "./grant.ts";
import type { FunctionKey } from "./ids.ts";
import type { RuntimeName } from "./runtime.ts";

/** What is asked for of one function's executions at a time. */
export type ConcurrencySettings = {
  /** Executions at a time that are the function's, and the most it may have; undefined: it shares the account's. */
  readonly reserved: number | undefined;
  /** Each version once. */
  readonly provisioned: readonly ProvisionedVersion[];
};

/** A version of which so many containers are to be held ready. */
export type ProvisionedVersion = {
  readonly functionKey: FunctionKey;
  readonly runtime: RuntimeName;
  readonly memoryMiB: number;
  /** undefined: its containers get what it states. */
  readonly sized?: SizedVersion | undefined;
  /** At least 1. */
  readonly count: number;
};
