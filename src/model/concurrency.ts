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

/** How far containers are held ready for a version. */
export type ProvisionedState = {
  readonly count: number;
  /** Containers that are made for it; those of them that can take a call, or have one; and those that have one. */
  readonly allocated: number;
  readonly available: number;
  readonly running: number;
  /** Executions that began in one of them, and in other containers of the version, since it is asked for. */
  readonly starts: number;
  readonly spillovers: number;
  /** The function could not be loaded several times in a row. */
  readonly isFailing: boolean;
  /** For how long fewer than asked for are made; 0: none is missing. */
  readonly shortMs: number;
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
