/** What an execution took at a CPU limit where it was seen, in relation to what `durationMsAt` says for there. */
export type PredictionError = { readonly cpuMilli: number; readonly factor: number };

/** Ascending by CPU. Most versions have none, and share this. */
export type PredictionErrors = readonly PredictionError[];
export const NO_PREDICTION_ERRORS: PredictionErrors = [];

/** Levels that are remembered; more would be older than the evidence that they belong to. */
const LEVELS_MAX = 4;
/** Within this, two limits are one. */
const SAME_LIMIT = 0.01;
/** Medians of some ten executions differ by so much by chance. */
const CHANCE = 0.03;

/** What was seen last at a limit takes the place of what was seen there before. */
export function withError(errors: PredictionErrors, newest: PredictionError): PredictionErrors {
  const others = errors.filter(({ cpuMilli }) => Math.abs(cpuMilli / newest.cpuMilli - 1) > SAME_LIMIT);
  if (others.length === LEVELS_MAX) others.splice(farthest(others, newest.cpuMilli), 1);
  return [...others, newest].sort((a, b) => a.cpuMilli - b.cpuMilli);
}

/**
 * By how much durations at a limit are to be multiplied: where the function ran, what was seen, less what chance makes of it;
 * between two such limits on the line over 1/c, on which its duration lies too; beyond them as at the nearest.
 */
export function errorFactorAt(errors: PredictionErrors, cpuMilli: number): number {
  const above = errors.findIndex((each) => each.cpuMilli >= cpuMilli);
  const [low, high] = [errors.at(above <= 0 ? above : above - 1), errors.at(above)];
  if (low === undefined || high === undefined) return 1;
  if (low === high) return beyondChance(low);
  const share = (1 / low.cpuMilli - 1 / cpuMilli) / (1 / low.cpuMilli - 1 / high.cpuMilli);
  return beyondChance(low) + (beyondChance(high) - beyondChance(low)) * share;
}

function beyondChance({ factor }: PredictionError): number {
  return 1 + Math.sign(factor - 1) * Math.max(0, Math.abs(factor - 1) - CHANCE);
}

function farthest(errors: PredictionErrors, cpuMilli: number): number {
  const distances = errors.map((each) => Math.abs(Math.log(each.cpuMilli / cpuMilli)));
  return distances.indexOf(Math.max(...distances));
}
