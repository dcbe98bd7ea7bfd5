import type { StandInSettings } from "./stand-in.ts";

/** Work that must be done by a deadline, does not care when, and can be cut: many calls that may wait, on one instance at a time. */
export type Batch = {
  /** Of one instance, from now on. */
  readonly workLeftMs: number;
  readonly timeLeftMs: number;
  /** It runs on a variable instance which no notice ends within a standby's start and safety. */
  readonly isOnVariable: boolean;
};

/** Which capacity the batch is to have now. A stand-in that is wanted no more is given back. */
export type BatchPlan = { readonly variable: boolean; readonly fixed: boolean };

/**
 * Variable capacity whenever there is some, none while there is time, fixed in time. What is wasted of the slack (time left less work left)
 * comes from waiting and from losses without a notice, each of which costs one start of a standby. So the batch waits until only two
 * starts are left, uses variable capacity while one is left to lose, and stays on fixed capacity after that: the deadline holds
 * whatever the market does, as long as fixed capacity starts in the time that is set.
 */
export function planBatch({ workLeftMs, timeLeftMs, isOnVariable }: Batch, settings: StandInSettings): BatchPlan {
  const startMs = settings.standbyBootMs + settings.safetyMs;
  const slackMs = timeLeftMs - workLeftMs;
  const variable = slackMs >= startMs;
  const fixed = !variable || (!isOnVariable && slackMs < 2 * startMs);
  return { variable, fixed };
}
