/** Launches take this long; a pool is looked at once a minute. */
export const BOOT_MINUTES = 2;
/** What a policy is judged by: from the eighth day on, when it can know a week. */
export const JUDGED_FROM_MINUTE = 7 * 1440;

/** A rule for the size of a pool. Made anew for each replay. */
export type PoolPolicy = {
  /** Instances that are ready when the replay begins. */
  readonly instancesFirst: number;
  /**
   * At the end of a minute in which `asked` were asked for and `served` were ready.
   * @returns how many there should be, ready or launching, and beyond how many ready ones are given up.
   */
  minuteOver(minute: number, asked: number, served: number): { readonly instances: number; readonly keep: number };
};

export type PoolOutcome = {
  /** Of what was asked for, the share that was ready. */
  readonly hitShare: number;
  /** Instances ready and not taken, at the end of a minute, on average. */
  readonly idleMean: number;
  /** Launched and given up without being taken, per instance that was asked for. */
  readonly surplusShare: number;
};

/**
 * Replays the counts: what is ordered at the end of minute m can be taken from the beginning of minute m + 1 + boot on.
 * What was not ready when it was asked for is a miss, and served from elsewhere.
 */
export function replayPool(counts: Float64Array, policy: PoolPolicy, from = JUDGED_FROM_MINUTE): PoolOutcome {
  const orders = new Float64Array(counts.length + BOOT_MINUTES + 2);
  let [ready, launching] = [policy.instancesFirst, 0];
  let [asked, hits, idle, surplus] = [0, 0, 0, 0];
  counts.forEach((count, minute) => {
    const arrived = orders[minute]!;
    ready += arrived;
    launching -= arrived;
    const served = Math.min(ready, count);
    ready -= served;
    const { instances, keep } = policy.minuteOver(minute, count, served);
    const ordered = Math.max(0, instances - ready - launching);
    orders[minute + 1 + BOOT_MINUTES]! += ordered;
    launching += ordered;
    const given = Math.min(ready, Math.max(0, ready + launching - Math.max(keep, instances)));
    if (minute >= from) {
      asked += count;
      hits += served;
      idle += ready;
      surplus += given;
    }
    ready -= given;
  });
  return { hitShare: hits / asked, idleMean: idle / (counts.length - from), surplusShare: surplus / asked };
}
