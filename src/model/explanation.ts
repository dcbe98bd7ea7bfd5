import type { Placement, WaitCause } from "./capacity.ts";
import type { ErrorCode } from "./error-code.ts";
import type { Grant } from "./grant.ts";
import type { AccountId, ContainerId, InstanceId, InvocationId } from "./ids.ts";
import type { InvocationMode, Lease, Outcome } from "./invocation.ts";

/** What became of one invocation and why; of an asynchronous one with all its attempts. Times are the host's clock. */
export type Explanation = {
  readonly invocationId: InvocationId;
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST` or a number as text. */
  readonly version: string;
  readonly mode: InvocationMode;
  /** Oldest first; of very many the first and the latest. Empty while it waits for its first place. */
  readonly attempts: readonly AttemptExplanation[];
  /** Present while it waits for capacity. */
  readonly waiting?: { readonly sinceMs: number; readonly place: number; readonly waitsFor: readonly WaitCause[] };
};

/** One attempt: an execution, or a refusal. */
export type AttemptExplanation =
  | {
      readonly kind: "executed";
      readonly begunMs: number;
      readonly start: Lease["start"];
      readonly instanceId: InstanceId;
      readonly containerId: ContainerId;
      readonly placement: Placement;
      /** What its container got; absent: an earlier server knew. */
      readonly grant?: Grant;
      /** Absent while it runs. */
      readonly end?: AttemptEnd;
    }
  | { readonly kind: "refused"; readonly atMs: number; readonly code: ErrorCode; readonly says: string };

/** How an execution ended. */
export type AttemptEnd =
  | {
      readonly kind: "finished";
      readonly outcome: Outcome;
      readonly wallMs: number;
      /** Its share of the instance's price; undefined: the price was not known. */
      readonly costUsd: number | undefined;
      /** The same share on fixed capacity; undefined: no fixed price is known. */
      readonly fixedUsd: number | undefined;
    }
  | { readonly kind: "cutOff"; readonly atMs: number; readonly code: ErrorCode; readonly says: string };
