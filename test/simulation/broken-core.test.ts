import { describe, expect, it } from "vitest";
import { ControlPlane } from "../../src/control/control-plane.ts";
import type { Settings } from "../../src/control/settings.ts";
import type { Command, Event } from "../../src/model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId } from "../../src/model/ids.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import { drawWorld, type World } from "../../src/simulator/world.ts";

/** Worlds in which every kind of command occurs. A broken core must be caught in at least one. */
const SEEDS = Array.from({ length: 20 }, (_, i) => 20_000 + i);

/**
 * Functions are changed often, while more calls wait for them than there are containers: a container that ends an
 * execution of the old state then has a next one at hand. Nothing else lets a core use one by mistake, since whoever
 * calls after the change calls the new state.
 */
function worldsOfUpdates(): World[] {
  return SEEDS.map((seed) => {
    const world = drawWorld(seed);
    const functions = world.functions.map((traits) => ({ ...traits, batchMax: 40, durationMsMean: 100 }));
    const settings = { ...world.settings, accountConcurrencyMax: 1000, queueLengthMax: 10_000, waitMsMax: 30_000 };
    return { ...world, functions, settings, retirementMsMean: 50 };
  });
}

type Sabotage = (commands: readonly Command[], event: Event) => readonly Command[];

/** The real core, of which some commands are changed on their way. Its own audit is not asked: the world's oracle must see it. */
function sabotaged(sabotage: Sabotage): (settings: Settings) => Core {
  return (settings) => {
    const core = new ControlPlane(settings);
    return {
      handle: (event, nowMs) => sabotage(core.handle(event, nowMs), event),
      get wakeAtMs() {
        return core.wakeAtMs;
      },
      brokenInvariant: () => undefined,
    };
  };
}

/** @returns what the simulator said, of the worlds in which it noticed something. */
function caught(makeSabotage: () => Sabotage): string[] {
  return SEEDS.flatMap((seed) => {
    try {
      simulate(drawWorld(seed), { auditEvery: 0, makeCore: sabotaged(makeSabotage()) });
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

/** Changes the nth command of a kind and lets all others be. */
function nth<K extends Command["kind"]>(
  kind: K,
  n: number,
  change: (command: Extract<Command, { kind: K }>) => Command[],
) {
  return (): Sabotage => {
    let seen = 0;
    return (commands) =>
      commands.flatMap((command) => {
        if (command.kind !== kind || ++seen !== n) return [command];
        return change(command as Extract<Command, { kind: K }>);
      });
  };
}

const SABOTAGES: readonly { readonly name: string; readonly make: () => Sabotage; readonly says: RegExp }[] = [
  { name: "forgets to run an invocation", make: nth("RunInvocation", 5, () => []), says: /have no answer|waited for/ },
  {
    name: "runs an invocation twice",
    make: nth("RunInvocation", 5, (run) => [run, run]),
    says: /started while running/,
  },
  {
    name: "refuses what it runs",
    make: nth("RunInvocation", 5, (run) => [
      run,
      { kind: "RejectInvocation", invocation: run.lease.invocation, code: "NO_CAPACITY" },
    ]),
    says: /was refused with NO_CAPACITY while it runs/,
  },
  {
    name: "refuses twice",
    make: nth("RejectInvocation", 2, (reject) => [reject, reject]),
    says: /refused (while|after)/,
  },
  {
    name: "forgets to refuse",
    make: nth("RejectInvocation", 2, () => []),
    says: /have no answer|waited for|admitted|has \d+ invocations|\d+ invocations wait/,
  },
  {
    name: "runs in a container that does not exist",
    make: nth("RunInvocation", 5, ({ lease }) => [
      { kind: "RunInvocation", lease: { ...lease, containerId: "none" as ContainerId } },
    ]),
    says: /there is no container/,
  },
  {
    name: "takes a blank container for a warm one",
    make: nth("RunInvocation", 1, ({ lease }) => [{ kind: "RunInvocation", lease: { ...lease, start: "warm" } }]),
    says: /a warm start in container .* which is blank/,
  },
  {
    name: "assigns an instance to another account",
    make: nth("AssignInstance", 1, (assign) => [{ ...assign, accountId: "other" as AccountId }]),
    says: /of other was told to run/,
  },
  {
    name: "assigns an instance twice",
    make: nth("AssignInstance", 1, (assign) => [assign, assign]),
    says: /was assigned again/,
  },
  { name: "never assigns an instance", make: nth("AssignInstance", 1, () => []), says: /of nobody was told to run/ },
  {
    name: "launches an instance twice",
    make: nth("LaunchInstance", 1, (launch) => [launch, launch]),
    says: /exists already/,
  },
  {
    name: "launches more than the host has",
    make: nth("LaunchInstance", 1, (launch) => [{ ...launch, shape: { memoryMiB: 2 ** 20, cpuMilli: 1 } }]),
    says: /on a host of/,
  },
  {
    name: "creates a container twice",
    make: nth("CreateContainer", 2, (create) => [create, create]),
    says: /exists already/,
  },
  {
    name: "creates a container on an unknown instance",
    make: nth("CreateContainer", 2, (create) => [{ ...create, instanceId: "none" as InstanceId }]),
    says: /has not joined or is lost/,
  },
  {
    name: "destroys what runs",
    make: nth("RunInvocation", 3, (run) => {
      const { instanceId, containerId } = run.lease;
      return [run, { kind: "DestroyContainer", instanceId, containerId, reason: "sabotage" }];
    }),
    says: /told to go while running/,
  },
  {
    name: "ends an instance that runs something",
    make: nth("RunInvocation", 5, (run) => [
      run,
      { kind: "TerminateInstance", instanceId: run.lease.instanceId, reason: "sabotage" },
    ]),
    says: /told to end/,
  },
];

describe("a broken core is caught", () => {
  it.for(SABOTAGES)("that $name", ({ make, says }) => {
    const found = caught(make);
    expect(found).not.toHaveLength(0);
    expect(found.filter((message) => says.test(message))).not.toHaveLength(0);
  });

  it("that runs a warm container of a retired function", () => {
    const deaf = (settings: Settings): Core => {
      const core = new ControlPlane(settings);
      const never = "never" as FunctionKey;
      return {
        handle: (event, nowMs) =>
          core.handle(event.kind === "FunctionRetired" ? { ...event, functionKey: never } : event, nowMs),
        get wakeAtMs() {
          return core.wakeAtMs;
        },
        brokenInvariant: () => undefined,
      };
    };
    const found = worldsOfUpdates().flatMap((world) => {
      try {
        simulate(world, { auditEvery: 0, makeCore: deaf });
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    expect(found.filter((message) => /is retired/.test(message))).not.toHaveLength(0);
  });

  it("that spins", () => {
    const spinning = (settings: Settings): Core => {
      const core = new ControlPlane(settings);
      return { handle: (event, nowMs) => core.handle(event, nowMs), wakeAtMs: 0, brokenInvariant: () => undefined };
    };
    expect(() => simulate(drawWorld(1), { auditEvery: 0, makeCore: spinning })).toThrow(/the core spins/);
  });
});
