import type { Settings } from "../../src/control/settings.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import type { World } from "../../src/simulator/world.ts";

/** Runs a core through worlds without its own audit. @returns what the worlds' own books say against it. */
export function saidAgainst(makeCore: (settings: Settings) => Core, worlds: readonly World[]): string[] {
  return worlds.flatMap((world) => {
    try {
      simulate(world, { auditEvery: 0, makeCore });
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}
