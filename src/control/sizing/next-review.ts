/** So much more evidence is needed before it can say something else. */
const REVIEW_FACTOR = 2.5;
/** In the long run each generation of peaks is reason enough. */
const REVIEW_EXECUTIONS_MAX = 4096;

/** After how many executions what was decided after so many is looked at again. */
export function nextReview(executions: number): number {
  return Math.min(REVIEW_FACTOR * executions, executions + REVIEW_EXECUTIONS_MAX);
}
