import type { AccountId } from "../model/ids.ts";
import type { RuntimeName } from "../model/runtime.ts";

/** Which runtimes functions may have here, and what it takes to have the first function of one. */
export type RuntimeSupply = {
  /**
   * Call it before a function of the runtime is accepted: what it runs with is made ready, once, which may take seconds.
   * @returns one sentence: why there can be no such function here, with the remedy; undefined: there can.
   */
  prepare(accountId: AccountId, runtime: RuntimeName): Promise<string | undefined>;
};
