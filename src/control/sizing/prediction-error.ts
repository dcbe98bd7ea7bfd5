/** What executions took at a CPU limit where they were seen, in relation to what `durationMsAt` says for there. */
export type PredictionError = {
  readonly cpuMilli: number;
  readonly factor: number;
  /** Standard error of the factor, relative: by so much it may be off by chance. */
  readonly chance: number;
};

/** Ascending by CPU. */
export type PredictionErrors = readonly PredictionError[];
export const NO_PREDICTION_ERRORS: PredictionErrors = [];

/** Relative standard deviation of predictions from one size: 3.7 % on average on measured curves (the note's "Prediction"). */
const PREDICTION_DEVIATION = 0.04;
/** Of the logarithm of a factor at a limit e times as large as another: 0.05 to 0.12 on measured curves. It grows with the root of the distance. */
const DEVIATION_PER_LOG = 0.1;

/**
 * By how much durations at a limit are to be multiplied: where the function ran, what was seen, less what chance makes of it;
 * between two such limits on the line over 1/c, on which its duration lies too; beyond them as at the nearest.
 */
export function errorFactorAt(errors: PredictionErrors, cpuMilli: number): number {
  const [low, high] = around(errors, cpuMilli);
  if (low === undefined || high === undefined) return 1;
  if (low === high) return likelyFactor(low);
  const share = (1 / low.cpuMilli - 1 / cpuMilli) / (1 / low.cpuMilli - 1 / high.cpuMilli);
  return likelyFactor(low) + (likelyFactor(high) - likelyFactor(low)) * share;
}

/**
 * Standard deviation of the logarithm of what `errorFactorAt` may be off by because nothing was measured there: 0 at a limit
 * where the function ran; with the distance from such limits as in a Brownian motion over ln c, between two as in its bridge.
 */
export function doubtAt(errors: PredictionErrors, cpuMilli: number): number {
  const [low, high] = around(errors, cpuMilli);
  if (low === undefined || high === undefined) return 0;
  const toLow = Math.abs(Math.log(cpuMilli / low.cpuMilli));
  const toHigh = Math.abs(Math.log(cpuMilli / high.cpuMilli));
  return DEVIATION_PER_LOG * Math.sqrt(low === high ? toLow : (toLow * toHigh) / (toLow + toHigh));
}

/** The mean of what was foretold (a factor of 1) and what was measured, each weighted by one over its variance. */
function likelyFactor({ factor, chance }: PredictionError): number {
  const weight = PREDICTION_DEVIATION ** 2 / (PREDICTION_DEVIATION ** 2 + chance ** 2);
  return 1 + (factor - 1) * weight;
}

/** The limits next to one; twice the same beyond them all; undefined: there are none. */
function around(errors: PredictionErrors, cpuMilli: number): readonly (PredictionError | undefined)[] {
  const above = errors.findIndex((each) => each.cpuMilli >= cpuMilli);
  const [low, high] = above < 0 ? [-1, -1] : [Math.max(0, above - 1), above];
  return [errors.at(low), errors.at(high)];
}
