import { describe, expect, it } from "vitest";
import { describeFailure, runSeed } from "../../src/simulator/main.ts";
import type { Totals } from "../../src/simulator/report.ts";
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
const TEST_MS_MAX = 300_000;

/** What happened in the new worlds, all together. */
const seen = new Map<string, number>();

/** Each seed runs twice, audited after every event, and both runs must have the same log. */
function expectToHold(seed: number): Totals {
  const result = runSeed(seed);
  if (result.failure !== undefined) expect.fail(describeFailure(result.failure, drawWorld(seed)));
  return result.totals;
}

function remember({ capacity, refusals }: Totals): void {
  for (const [name, count] of [...Object.entries(capacity), ...Object.entries(refusals)]) {
    seen.set(name, (seen.get(name) ?? 0) + count);
  }
}

describe("worlds that once failed", () => {
  it.for(OLD_SEEDS)("seed $seed: $found", { timeout: TEST_MS_MAX }, ({ seed }) => {
    expectToHold(seed);
  });
});

describe(`new worlds from seed ${BASE_SEED}`, () => {
  const firstSeeds = Array.from({ length: NEW_WORLDS / WORLDS_PER_TEST }, (_, i) => BASE_SEED + i * WORLDS_PER_TEST);
  it.for(firstSeeds)(`${WORLDS_PER_TEST} from seed %i hold`, { timeout: TEST_MS_MAX }, (firstSeed) => {
    for (let seed = firstSeed; seed < firstSeed + WORLDS_PER_TEST; seed++) remember(expectToHold(seed));
  });

  // A check of what never happens is green for nothing.
  it.for([
    "onVariable",
    "fallbacks",
    "offerChanges",
    "settingsChanges",
    "atRisk",
    "notices",
    "taken",
    "begunEarly",
    "begunDue",
    "grantedLess",
    "grantedMore",
    "outgrown",
    "rescued",
    "pressed",
    "concurrencyChanges",
    "onProvisioned",
    "heldAtRest",
    "CONCURRENCY_LIMIT",
    "RESERVED_CONCURRENCY_LIMIT",
    "SCALING_RATE_LIMIT",
    "INVOCATION_RATE_LIMIT",
    "RECLAIMED",
    "INSTANCE_LOST",
    "DEADLINE_MISSED",
    "NO_VARIABLE_CAPACITY",
    "NO_CAPACITY",
    "TOO_LARGE",
  ])("%s was among what happened", (name) => {
    expect(seen.get(name) ?? 0).toBeGreaterThan(0);
  });
});
