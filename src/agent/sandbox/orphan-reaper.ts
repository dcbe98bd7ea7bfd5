import { uncollectedChildren, waitForChild } from "../../host/child-wait.ts";

const SWEEP_MS = 10_000;

/**
 * The agent is the init of its pid namespace: orphans (helpers of an OCI runtime, say) become its
 * children and stay zombies until it collects them. A zombie that two sweeps see is one that
 * nobody else collects.
 *
 * @returns stop.
 */
export function startOrphanReaper(): () => void {
  let seenBefore = new Set<number>();
  const sweep = () => {
    const zombies = uncollectedChildren();
    for (const pid of zombies) if (seenBefore.has(pid)) waitForChild(pid);
    seenBefore = new Set(zombies);
  };
  const timer = setInterval(sweep, SWEEP_MS).unref();
  return () => clearInterval(timer);
}
