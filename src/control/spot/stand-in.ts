/** A variable instance as the number of stand-ins depends on it. */
export type VariableInstance = {
  /** Since when it can be used; undefined: it is being launched, which may fail. */
  readonly readySinceMs: number | undefined;
  /** When it will be gone, by its notice; undefined: none came. */
  readonly endsAtMs: number | undefined;
};

/** How fixed instances that stand in for variable ones are started and given back. */
export type StandInSettings = {
  /** From the start of a standby instance until it can be used. */
  readonly standbyBootMs: number;
  /** What is added to it, for delays of signals and of decisions. */
  readonly safetyMs: number;
};

/**
 * How many fixed instances must stand in for variable ones that are missing, ready and starting ones together: enough for the
 * moment at which one that was started just after now would be ready. A variable instance counts when it is ready and no notice
 * ends it before that moment. One that is being launched does not count, so a stand-in is given back only
 * when its replacement can be used; and a notice that is longer than a start takes costs no more than a short one.
 *
 * Start what is missing to this number, give back what is beyond it.
 */
export function standInsWanted(
  neededCount: number,
  variable: readonly VariableInstance[],
  settings: StandInSettings,
  nowMs: number,
): number {
  const horizonMs = nowMs + settings.standbyBootMs + settings.safetyMs;
  const staying = variable.filter(
    ({ readySinceMs, endsAtMs }) =>
      readySinceMs !== undefined && readySinceMs <= nowMs && (endsAtMs === undefined || endsAtMs > horizonMs),
  );
  return Math.max(0, neededCount - staying.length);
}

/**
 * How many stopped or hibernated fixed instances to keep, so that stand-ins start in the time of a standby and not in that of
 * a launch: as many as the offer with the most variable instances holds, for those go together.
 * Those that stand in already are among them.
 */
export function standbyTarget(heldByOffer: Iterable<number>): number {
  let most = 0;
  for (const held of heldByOffer) most = Math.max(most, held);
  return most;
}
