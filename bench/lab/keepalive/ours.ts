import { KeepAlive, type KeepAliveSettings } from "../../../src/control/keepalive/keep-alive.ts";
import type { KeepAlivePolicy } from "./replay.ts";
import type { Trace } from "./trace.ts";

/** FeMux: what a cold start takes. */
export const COLD_MS = 808;

/** The policy of production, driven by the lab. */
export function ours(trace: Trace, settings: KeepAliveSettings): KeepAlivePolicy & { readonly keepAlive: KeepAlive } {
  const keepAlive = new KeepAlive(settings);
  const keys = Array.from(trace.memoryMiB, (_, fn) => String(fn));
  return {
    keepAlive,
    arrived(fn, rank, _idleSinceMs, nowMs) {
      keepAlive.arrived(keys[fn] as string, rank, nowMs);
    },
    plan(fn, rank, idleSinceMs, nowMs, plan) {
      const container = {
        functionKey: keys[fn] as string,
        rank,
        memoryMiB: trace.memoryMiB[fn] as number,
        coldMs: COLD_MS,
      };
      const { keepUntilMs, prewarmAtMs } = keepAlive.plan(container, nowMs > idleSinceMs, nowMs);
      plan.keepUntilMs = keepUntilMs;
      plan.prewarmAtMs = prewarmAtMs;
    },
    tick(idleMiB) {
      keepAlive.steer(idleMiB);
    },
  };
}
