/** Less is not worth a raise, unless it is all that may be had. */
const STEP_MIB_MIN = 16;
const GROWTH = 1.5;
/** A use within this part of the limit is near it, but never more or less than this away. */
const NEAR_SHARE = 0.05;
const NEAR_MIB_MIN = 4;
const NEAR_MIB_MAX = 32;
/** Of the instance, kept free of rescues: other containers grow too while one is rescued. */
const RESERVE_SHARE = 0.03;
const RESERVE_MIB_MIN = 16;

/** Where use counts as near the limit. A container that often comes so far without being killed is not rescued too early. */
export function nearLimit(limitMiB: number): number {
  const marginMiB = Math.min(NEAR_MIB_MAX, Math.max(NEAR_MIB_MIN, Math.round(limitMiB * NEAR_SHARE)));
  return Math.max(1, limitMiB - marginMiB);
}

/** What an instance has left for rescues. */
export function roomForRescue(instanceMiB: number, heldMiB: number): number {
  return Math.floor(instanceMiB - heldMiB - Math.max(RESERVE_MIB_MIN, instanceMiB * RESERVE_SHARE));
}

/**
 * The limit of a container that is about to run out of memory: half as much again, at least 16 MiB more, no more than its
 * ceiling and its instance's room.
 *
 * @returns undefined when it cannot have more: it is killed.
 */
export function raisedLimit(limitMiB: number, ceilingMiB: number, roomMiB: number): number | undefined {
  const wantedMiB = Math.min(ceilingMiB, Math.max(Math.ceil(limitMiB * GROWTH), limitMiB + STEP_MIB_MIN));
  const givenMiB = Math.min(wantedMiB, limitMiB + roomMiB);
  const worthMiB = Math.min(STEP_MIB_MIN, ceilingMiB - limitMiB);
  return worthMiB > 0 && givenMiB - limitMiB >= worthMiB ? givenMiB : undefined;
}
