/** What executions usually take. */
export type UsualDuration = {
  /** Median, throttled time included. */
  readonly durationMs: number;
  /** Of how many it is the median. */
  readonly executions: number;
  /** Standard deviation of the logarithm, from the quartiles. */
  readonly deviation: number;
};

/** What executions of a function version took at a CPU limit where it ran. */
export type MeasuredLevel = UsualDuration & { readonly cpuMilli: number };

/** Ascending by CPU. Most versions have none, and share this. */
export type MeasuredLevels = readonly MeasuredLevel[];
export const NO_LEVELS: MeasuredLevels = [];

/** Levels that are remembered; more would be older than the evidence that they belong to. */
export const LEVELS_MAX = 4;
/** Within this, two limits are one. */
const SAME_LIMIT = 0.01;

/** Standard error of a median of normal values: 1.253 σ/√n. Of 7 to 20 executions of measured functions it is 1.5 times that. */
const MEDIAN_ERROR = 1.253 * 1.5;
/** Of a sketch's median: σ of what is anywhere within a bucket of 2 %. */
const BUCKET_ERROR = 0.006;
/** Quartiles of normal values are so many σ apart. */
const QUARTILES_APART = 1.349;

/** What was seen last at a limit takes the place of what was seen there before. */
export function withLevel(levels: MeasuredLevels, newest: MeasuredLevel): MeasuredLevels {
  const others = levels.filter(({ cpuMilli }) => Math.abs(cpuMilli / newest.cpuMilli - 1) > SAME_LIMIT);
  if (others.length === LEVELS_MAX) others.splice(farthest(others, newest.cpuMilli), 1);
  return [...others, newest].sort((a, b) => a.cpuMilli - b.cpuMilli);
}

/**
 * Standard error, relative, of the median of so many executions. How much executions differ is taken to be the same at all
 * levels, since a few of one level say little of it.
 */
export function chanceOf(levels: MeasuredLevels, executions: number): number {
  const weighted = levels.reduce((sum, level) => sum + level.executions * level.deviation ** 2, 0);
  const deviation = Math.sqrt(weighted / levels.reduce((sum, level) => sum + level.executions, 0));
  return Math.hypot(BUCKET_ERROR, (MEDIAN_ERROR * deviation) / Math.sqrt(executions));
}

/** Standard deviation of the logarithm of durations of which these are the quartiles. */
export function deviationOf(lower: number, upper: number): number {
  return Math.log(upper / lower) / QUARTILES_APART;
}

function farthest(levels: MeasuredLevels, cpuMilli: number): number {
  const distances = levels.map((each) => Math.abs(Math.log(each.cpuMilli / cpuMilli)));
  return distances.indexOf(Math.max(...distances));
}
