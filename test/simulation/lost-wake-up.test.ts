import { describe, expect, it } from "vitest";
import { ControlPlane } from "../../src/control/control-plane.ts";
import { DEFAULT_SETTINGS } from "../../src/control/settings.ts";
import type { Event } from "../../src/model/event.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import type { World } from "../../src/simulator/world.ts";
import { type SPARE_OFFER, type SpareChange, spareWorld } from "./spare-world.ts";

/*
 * Whoever waits is woken by whatever can let him run (A8). For each such thing: a world in which it happens, the sound core,
 * which passes, and a core that learns of it only with its next Tick, which the world's oracle must name.
 */

const SEEDS = [11, 12, 13, 14, 15];

/** The core without an ear for these events until its next Tick. */
function slowTo(isSlow: (event: Event) => boolean): (settings: World["settings"]) => Core {
  return (settings) => {
    const core = new ControlPlane(settings);
    let kept: Event[] = [];
    return {
      handle: (event, nowMs) => {
        if (isSlow(event)) {
          kept.push(event);
          return [];
        }
        const heard = event.kind === "Tick" ? [...kept, event] : [event];
        if (event.kind === "Tick") kept = [];
        return heard.flatMap((each) => [...core.handle(each, nowMs)]);
      },
      get wakeAtMs() {
        return core.wakeAtMs;
      },
      brokenInvariant: () => undefined,
    };
  };
}

/** An offer's figure became smaller. */
function fallOf(read: (offer: typeof SPARE_OFFER) => number): () => (event: Event) => boolean {
  return () => {
    const last = new Map<string, number>();
    return (event) => {
      if (event.kind !== "OffersChanged") return false;
      const falls = event.offers.some((offer) => read(offer) < (last.get(offer.id) ?? 0));
      for (const offer of event.offers) last.set(offer.id, read(offer));
      return falls;
    };
  };
}

const of =
  (kind: Event["kind"]): (() => (event: Event) => boolean) =>
  () =>
  (event) =>
    event.kind === kind;

const settings = { ...DEFAULT_SETTINGS, unsatisfiedMs: 600_000, sweepMs: 5000 };

type Cause = { readonly name: string; readonly isSlow: () => (event: Event) => boolean; readonly world: SpareChange };

const CAUSES: readonly Cause[] = [
  { name: "a request arrives", isSlow: of("InvocationArrived"), world: {} },
  { name: "a container is ready", isSlow: of("ContainerReady"), world: {} },
  { name: "an execution ends", isSlow: of("InvocationFinished"), world: {} },
  {
    name: "a price falls",
    isSlow: fallOf((offer) => offer.priceUsdPerHour),
    world: { offer: { priceChangeMsMean: 2000 } },
  },
  {
    name: "a host turns idle",
    isSlow: fallOf((offer) => offer.demandLevel),
    world: { account: { constraints: [{ kind: "demand", levelMax: 0.3 }] }, offer: { demandChangeMsMean: 2000 } },
  },
  {
    name: "settings change",
    isSlow: of("AccountCapacityChanged"),
    world: { capacity: { settingsChangeMsMean: 5000 }, offer: { priceChangeMsMean: 2000 } },
  },
  {
    name: "a window opens because the clock is set",
    isSlow: () => {
      let lastMs = Number.NEGATIVE_INFINITY;
      return (event) => {
        if (event.kind !== "WallClockSet") return false;
        const isBack = event.offsetMs < lastMs;
        lastMs = event.offsetMs;
        return isBack;
      };
    },
    world: {
      account: {
        constraints: [{ kind: "window", timeZone: "UTC", days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 700, toMinute: 730 }],
      },
      capacity: {
        wallSteps: [
          { atMs: 10_000, byMs: 3_600_000 },
          { atMs: 20_000, byMs: -3_600_000 },
          { atMs: 30_000, byMs: 3_600_000 },
          { atMs: 40_000, byMs: -3_600_000 },
        ],
      },
    },
  },
  {
    name: "an instance comes back",
    isSlow: of("InstanceJoined"),
    world: {
      world: { restarts: [{ kind: "crash", atMs: 8000, downMs: 100, graceMs: 0 }] },
      function: { gapMsMean: 50, durationMsMean: 2000 },
    },
  },
  {
    name: "a function changes its size",
    isSlow: (() => {
      let updates = 0;
      // From the first update on: the calls of the new size, and what the old containers leave behind.
      return (event: Event) => {
        if (event.kind === "FunctionRetired") updates++;
        return updates > 0 && (event.kind === "ContainerGone" || event.kind === "InvocationArrived");
      };
    }) as () => (event: Event) => boolean,
    world: { world: { retirementMsMean: 3000 }, function: { memoryMiB: 768, resizedMiB: 256 } },
  },
];

function worldOf(seed: number, change: SpareChange): World {
  return spareWorld(seed, { ...change, world: { settings, ...change.world } });
}

describe("nobody who could run waits on when", () => {
  it.for(CAUSES)("$name", ({ world }) => {
    for (const seed of SEEDS) {
      const report = simulate(worldOf(seed, world), { auditEvery: 1 });
      expect(report.cold + report.warm).toBeGreaterThan(0);
    }
  });

  it.for(CAUSES)("$name, or the oracle says so", ({ isSlow, world }) => {
    const seen = SEEDS.map((seed) => {
      try {
        simulate(worldOf(seed, world), { auditEvery: 0, oracleEvery: 1, makeCore: slowTo(isSlow()) });
        return "nothing";
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(seen).toEqual(expect.arrayContaining([expect.stringMatching(/a wake-up was lost/)]));
  });
});

it("a price that moves back and forth does not make the pool thrash", () => {
  for (const seed of SEEDS) {
    const world = worldOf(seed, { offer: { priceChangeMsMean: 100 }, function: { gapMsMean: 1000 } });
    const report = simulate(world, { auditEvery: 1 });
    expect(report.offerChanges).toBeGreaterThan(1000);
    expect(report.launched).toBeLessThan(20);
  }
});
