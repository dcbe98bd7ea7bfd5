import type { SizedVersion } from "../model/grant.ts";
import type { AccountId, FunctionKey, InvocationId } from "../model/ids.ts";
import type { Invocation, InvocationMode, Lease } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { AccountBook } from "./account-book.ts";
import type { Caller } from "./caller.ts";
import type { SimulatedEvent } from "./event-queue.ts";

/**
 * `waiting`: the core has it and has not answered. `running`: the core gave it a lease. `answered`:
 * finished or refused. `hungUp`: nobody waits for it any more, its caller or its server is gone.
 */
export type InvocationState = "waiting" | "running" | "answered" | "hungUp";

/**
 * What the core is given for an invocation, with what the world remembers of it: the core hands the
 * same object back in its commands, which saves a lookup per command.
 */
export class SimulatedInvocation implements Invocation {
  readonly id: InvocationId;
  readonly accountId: AccountId;
  readonly functionKey: FunctionKey;
  readonly runtime: RuntimeName;
  readonly memoryMiB: number;
  readonly mode: InvocationMode;
  readonly deadlineMs: number | undefined;
  readonly sized: SizedVersion | undefined;
  readonly caller: Caller;
  readonly account: AccountBook;
  /** The entry of the durable queue that this is an attempt of. undefined: synchronous. */
  readonly event: SimulatedEvent | undefined;
  readonly arrivedMs: number;
  /** From then on it is due, whatever the time is like. */
  dueMs: number;
  state: InvocationState = "waiting";
  lease: Lease | undefined = undefined;
  /** It counts as one of its account's and its function's while it waits. */
  isCounted = false;
  /** Whether it is in the list of those that wait. */
  isListedWaiting = false;
  /** Its index among the unanswered. */
  slot = -1;

  constructor(
    id: InvocationId,
    caller: Caller,
    event: SimulatedEvent | undefined,
    arrivedMs: number,
    deadlineMs: number | undefined,
  ) {
    this.id = id;
    this.accountId = caller.traits.accountId;
    this.functionKey = caller.functionKey;
    this.runtime = caller.traits.runtime;
    this.memoryMiB = caller.memoryMiB;
    this.mode = event === undefined ? "synchronous" : "asynchronous";
    this.deadlineMs = deadlineMs;
    this.sized = caller.sized;
    this.caller = caller;
    this.account = caller.account;
    this.event = event;
    this.arrivedMs = arrivedMs;
    this.dueMs = arrivedMs;
  }

  /** For traces: what the core sees. */
  toJSON(): Invocation {
    const { id, accountId, functionKey, runtime, memoryMiB, mode, deadlineMs } = this;
    const always = { id, accountId, functionKey, runtime, memoryMiB, mode };
    return deadlineMs === undefined ? always : { ...always, deadlineMs };
  }
}
