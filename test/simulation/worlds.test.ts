import { describe, expect, it } from "vitest";
import { describeFailure, runSeed } from "../../src/simulator/main.ts";
import { drawWorld } from "../../src/simulator/world.ts";
import { OLD_SEEDS } from "./old-seeds.ts";

/**
 * Seeds of this run: 300 from a base. The base is fixed, so that a red test stays red; CI moves it
 * on with HEARTH_SIMULATION_BASE to see worlds that nobody has seen.
 */
const BASE_SEED = Number(process.env["HEARTH_SIMULATION_BASE"] ?? 10_000);
const NEW_WORLDS = 300;
/** Seeds per test: a failure names its seed anyway, and a test per seed would drown the report. */
const WORLDS_PER_TEST = 25;
/** Some worlds are hundreds of times longer than others; a shared machine may be slow. */
const TEST_MS_MAX = 120_000;

/** Each seed runs twice, audited after every event, and both runs must have the same log. */
function expectToHold(seed: number): void {
  const { failure } = runSeed(seed);
  if (failure !== undefined) expect.fail(describeFailure(failure, drawWorld(seed)));
}

describe("worlds that once failed", () => {
  it.for(OLD_SEEDS)("seed $seed: $found", { timeout: TEST_MS_MAX }, ({ seed }) => expectToHold(seed));
});

describe(`new worlds from seed ${BASE_SEED}`, () => {
  const firstSeeds = Array.from({ length: NEW_WORLDS / WORLDS_PER_TEST }, (_, i) => BASE_SEED + i * WORLDS_PER_TEST);
  it.for(firstSeeds)(`${WORLDS_PER_TEST} from seed %i hold`, { timeout: TEST_MS_MAX }, (firstSeed) => {
    for (let seed = firstSeed; seed < firstSeed + WORLDS_PER_TEST; seed++) expectToHold(seed);
  });
});
