import { Random } from "../../../src/simulator/random.ts";
import type { KeepAlivePolicy } from "./replay.ts";

const MINUTE_MS = 60_000;

/** Every container stays this long after its call. */
export function fixed(keepMs: number): KeepAlivePolicy {
  return {
    arrived() {},
    plan(_fn, _rank, idleSinceMs, _nowMs, plan) {
      plan.keepUntilMs = idleSinceMs + keepMs;
      plan.prewarmAtMs = Infinity;
    },
  };
}

/** One environment per call, most recently used first, idle between 5 and 7 minutes, at most two hours old (no TTL is published). */
export function lambdaLike(): KeepAlivePolicy {
  const random = new Random(1).fork("lambda-like");
  return {
    arrived() {},
    plan(_fn, _rank, idleSinceMs, _nowMs, plan) {
      plan.keepUntilMs = idleSinceMs + (5 + 2 * random.next()) * MINUTE_MS;
      plan.prewarmAtMs = Infinity;
    },
  };
}
