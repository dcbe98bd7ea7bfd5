import { describe, expect, it } from "vitest";
import { ControlPlane } from "../../src/control/control-plane.ts";
import type { Settings } from "../../src/control/settings.ts";
import type { Command, Event } from "../../src/model/event.ts";
import type { Grant } from "../../src/model/grant.ts";
import type { Invocation } from "../../src/model/invocation.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import { drawWorld, type World } from "../../src/simulator/world.ts";
import { saidAgainst } from "./broken-runs.ts";

/*
 * What is granted, against what was said of sizes: in worlds where settings change often and servers restart, the sound core
 * passes, and each broken one is named by the world's own books. The core's audit is not asked.
 */

const SEEDS = [71, 72, 73, 74, 75, 76];

function worldOf(seed: number): World {
  const drawn = drawWorld(seed);
  const need = { medianMiB: 60, spread: 0.05, tailShare: 0.02, tailFactor: 3, stepFactor: 1.4, computedShare: 0.5 };
  const functions = drawn.functions.slice(0, 3).map((traits) => ({
    ...traits,
    durationMsMean: 20,
    initMsMean: 5,
    gapMsMean: 20,
    memoryMiB: 512,
    resizedMiB: 256,
    need: { ...need, stepAtExecution: 200 },
  }));
  const settings = { ...drawn.settings, accountConcurrencyMax: 20, keepAliveMinMs: 0, keepAliveMaxMs: 100 };
  const restarts = [{ kind: "crash", atMs: 5000, downMs: 100, graceMs: 1 }] as const;
  const sizing = {
    settings: { mode: "auto", limits: "hard", cpu: "apart", executionsMin: 2, memoryMiBMin: 32 },
    rescuedShare: 0.5,
    stalledShare: 0,
    idleShare: 0.5,
    changeMsMean: 500,
    storeMs: 1000,
  } as const;
  return { ...drawn, functions, settings, sizing, restarts, invocations: 1200, mustServe: false };
}

type Change = {
  hear?(event: Event): Event;
  grant?(grant: Grant): Grant;
};

function changed({ hear = (event) => event, grant = (said) => said }: Change): (settings: Settings) => Core {
  const say = (command: Command): Command => {
    if (command.kind === "PrewarmContainer") return { ...command, grant: grant(command.grant) };
    if (command.kind !== "RunInvocation" || command.lease.grant === undefined) return command;
    return { ...command, lease: { ...command.lease, grant: grant(command.lease.grant) } };
  };
  return (settings) => {
    const core = new ControlPlane(settings);
    return {
      handle: (event, nowMs) => core.handle(hear(event), nowMs).map(say),
      get wakeAtMs() {
        return core.wakeAtMs;
      },
      brokenInvariant: () => undefined,
      roomOf: (invocation: Invocation) => core.roomOf(invocation),
      sizing: core.sizing,
    };
  };
}

const BROKEN: readonly { readonly name: string; readonly change: Change; readonly says: RegExp }[] = [
  {
    name: "does not hear of a global stop",
    change: { hear: (event) => (event.kind === "SizingStopped" ? { ...event, isStopped: false } : event) },
    says: /nobody may change what it requests/,
  },
  {
    name: "does not hear what is said of one function",
    change: {
      hear: (event) =>
        event.kind === "SizingConfigured" && event.scope.kind === "function" ? { kind: "Tick" } : event,
    },
    says: /nobody may change what it requests|are allowed|CPU goes with its memory|is reserved whole/,
  },
  {
    name: "keeps the CPU of one setting under another",
    change: { grant: (grant) => ({ ...grant, cpuMilli: Math.min(grant.cpuMilli, 100) }) },
    says: /CPU goes with its memory|nobody may change what it requests/,
  },
  {
    name: "gives a little less memory than may be",
    change: {
      grant: (grant) => {
        const memoryMiB = Math.min(grant.memoryMiB, 31);
        return { ...grant, memoryMiB, reservedMiB: Math.min(grant.reservedMiB, 31), needMiB: memoryMiB };
      },
    },
    says: /MiB are allowed|nobody may change what it requests/,
  },
  {
    name: "rescues beyond what is allowed",
    change: { grant: (grant) => ({ ...grant, rescueMemoryMiB: grant.rescueMemoryMiB + 1 }) },
    says: /MiB are allowed|nobody may change what it requests/,
  },
];

describe("sizes", () => {
  it("are as was said in these worlds with the sound core, and much is said, granted and restored in them", () => {
    const seen = { changes: 0, restored: 0, less: 0, more: 0 };
    for (const seed of SEEDS) {
      const report = simulate(worldOf(seed), { auditEvery: 1 });
      seen.changes += report.sizingChanges;
      seen.restored += report.sizesRestored;
      seen.less += report.grantedLess;
      seen.more += report.grantedMore;
    }
    expect(Object.entries(seen).filter(([, count]) => count === 0)).toEqual([]);
  });

  it.for(BROKEN)("a core that $name is caught", ({ change, says }) => {
    const said = saidAgainst(changed(change), SEEDS.map(worldOf));
    expect(said).not.toHaveLength(0);
    expect(said.filter((message) => says.test(message))).not.toHaveLength(0);
  });
});
