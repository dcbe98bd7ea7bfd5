import { runClosedLoop } from "./closed-loop.ts";
import type { LoadOrder, LoadResult } from "./load-order.ts";
import { findWrk, runWrk } from "./wrk.ts";

const wrk = findWrk();

/** What sends the requests on this machine; the same for all sides. */
export const GENERATOR = wrk === undefined ? "own closed loop in a process of its own" : "wrk, one thread";

/** Calls one side in a closed loop from another process. @throws Error when any call failed. */
export async function load(order: LoadOrder): Promise<LoadResult> {
  const result = await (wrk === undefined ? runClosedLoop(order) : runWrk(wrk, order));
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.requests} calls of ${order.side.name} failed`);
  return result;
}
