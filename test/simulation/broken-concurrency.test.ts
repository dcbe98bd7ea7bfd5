import { describe, expect, it } from "vitest";
import { ControlPlane } from "../../src/control/control-plane.ts";
import type { Settings } from "../../src/control/settings.ts";
import type { ConcurrencySettings } from "../../src/model/concurrency.ts";
import type { Command, Event } from "../../src/model/event.ts";
import type { Invocation } from "../../src/model/invocation.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import { drawWorld, type World } from "../../src/simulator/world.ts";
import { saidAgainst } from "./broken-runs.ts";

/*
 * Limits of executions at a time, and containers that are held ready: in worlds where every function has both, the sound core
 * passes, and each broken one is named by the world's own books. The core's audit is not asked.
 */

const SEEDS = [61, 62, 63, 64, 65, 66];
const PROVISIONED_MAX = 2;

function worldOf(seed: number): World {
  const drawn = drawWorld(seed);
  const functions = drawn.functions
    .slice(0, 6)
    .map((traits) => ({ ...traits, batchMax: 5, memoryMiB: 128, resizedMiB: 128 }));
  const settings = {
    ...drawn.settings,
    accountConcurrencyMax: 20,
    queueLengthMax: 10_000,
    waitMsMax: 30_000,
    keepAliveMinMs: 1_000,
    keepAliveMaxMs: 1_000,
    blankTarget: { "nodejs22.x": 1, "nodejs24.x": 1, "provided.al2023": 1 },
  };
  const concurrency = {
    changeMsMean: Number.POSITIVE_INFINITY,
    reservedShare: 0.5,
    reserved: [3],
    provisionedShare: 1,
    provisioned: [PROVISIONED_MAX],
  };
  return { ...drawn, functions, settings, concurrency, asynchronousShare: 0.5, mustServe: false, restarts: [] };
}

type Change = {
  hear?(event: Event): Event;
  say?(commands: readonly Command[]): readonly Command[];
};

function changed({ hear = (event) => event, say = (commands) => commands }: Change): (settings: Settings) => Core {
  return (settings) => {
    const core = new ControlPlane(settings);
    return {
      handle: (event, nowMs) => say(core.handle(hear(event), nowMs)),
      get wakeAtMs() {
        return core.wakeAtMs;
      },
      brokenInvariant: () => undefined,
      roomOf: (invocation: Invocation) => core.roomOf(invocation),
    };
  };
}

/** Hears something else of what is asked for. */
function mishears(change: (settings: ConcurrencySettings) => ConcurrencySettings): Change {
  return {
    hear: (event) => {
      if (event.kind !== "ConcurrencyConfigured" || event.settings === undefined) return event;
      return { ...event, settings: change(event.settings) };
    },
  };
}

const BROKEN: readonly { readonly name: string; readonly change: Change; readonly says: RegExp }[] = [
  {
    name: "knows of no reserve",
    change: mishears((settings) => ({ ...settings, reserved: undefined })),
    says: /above what .* may run|above its limit/,
  },
  {
    name: "lets a function have one more than it reserves",
    change: mishears((settings) => {
      const { reserved } = settings;
      return reserved === undefined ? settings : { ...settings, reserved: reserved + 1 };
    }),
    says: /above what .* may run|above its limit/,
  },
  {
    name: "turns away below the reserve",
    change: mishears((settings) => {
      const { reserved } = settings;
      return reserved === undefined ? settings : { ...settings, reserved: reserved - 1 };
    }),
    says: /refused with RESERVED_CONCURRENCY_LIMIT, but fewer than/,
  },
  {
    name: "holds nothing ready",
    change: mishears((settings) => ({ ...settings, provisioned: [] })),
    says: /0 of \d containers are ready for .* has room/,
  },
  {
    name: "holds one too few",
    change: mishears(({ reserved, provisioned }) => ({
      reserved,
      provisioned: provisioned.map((version) => ({ ...version, count: version.count - 1 })),
    })),
    says: /1 of 2 containers are ready for .* has room/,
  },
  {
    name: "lets go what is held ready",
    change: {
      say: (commands) =>
        commands.map((command) =>
          command.kind === "PrewarmContainer"
            ? {
                kind: "DestroyContainer",
                instanceId: command.instanceId,
                containerId: command.containerId,
                reason: "x",
              }
            : command,
        ),
    },
    says: /0 of 2 containers are ready for .* has room/,
  },
  {
    name: "loses a throttled event",
    change: {
      say: (commands) =>
        commands.map((command) => {
          if (command.kind !== "RejectInvocation" || command.code !== "RESERVED_CONCURRENCY_LIMIT") return command;
          return { ...command, code: "TOO_LARGE" };
        }),
    },
    says: /refused with TOO_LARGE/,
  },
];

describe("concurrency", () => {
  it("holds in these worlds with the sound core, and something is throttled and held in them", () => {
    let throttled = 0;
    let held = 0;
    for (const seed of SEEDS) {
      const { refusals, heldAtRest } = simulate(worldOf(seed), { auditEvery: 1 });
      throttled += refusals.get("RESERVED_CONCURRENCY_LIMIT") ?? 0;
      held += heldAtRest;
    }
    expect(throttled).toBeGreaterThan(0);
    expect(held).toBeGreaterThan(0);
  });

  it.for(BROKEN)("a core that $name is caught", ({ change, says }) => {
    const said = saidAgainst(changed(change), SEEDS.map(worldOf));
    expect(said).not.toHaveLength(0);
    expect(said.filter((message) => says.test(message))).not.toHaveLength(0);
  });
});
