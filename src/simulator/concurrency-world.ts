import type { Random } from "./random.ts";

/** How functions' executions at a time are limited in a made-up world. */
export type ConcurrencyWorld = {
  /** Mean time between two changes of what some function reserves; Infinity: never. */
  readonly changeMsMean: number;
  /** Of functions, those that reserve something. */
  readonly reservedShare: number;
  /** What they reserve, one of these. */
  readonly reserved: readonly number[];
  /** Of functions, those of which containers are held ready; and how many, one of these. */
  readonly provisionedShare: number;
  readonly provisioned: readonly number[];
};

/** undefined: no function ever reserves anything. */
export function drawConcurrencyWorld(random: Random, horizonMs: number): ConcurrencyWorld | undefined {
  if (!random.chance(0.4)) return undefined;
  return {
    changeMsMean: random.chance(0.5) ? random.logUniform(horizonMs / 20, horizonMs) : Number.POSITIVE_INFINITY,
    reservedShare: random.pick([0.2, 0.5, 1]),
    reserved: random.pick([[1], [1, 2, 5], [0, 1, 20]]),
    provisionedShare: random.pick([0, 0.2, 1]),
    provisioned: random.pick([[1], [1, 2, 5], [10]]),
  };
}
