import { describe, expect, it } from "vitest";
import { ControlPlane } from "../../src/control/control-plane.ts";
import { DEFAULT_SETTINGS } from "../../src/control/settings.ts";
import type { CapacitySettings } from "../../src/model/capacity.ts";
import type { Command, Event } from "../../src/model/event.ts";
import type { Invocation } from "../../src/model/invocation.ts";
import { NO_INTERRUPTIONS } from "../../src/simulator/capacity-world.ts";
import { type Core, simulate } from "../../src/simulator/simulation.ts";
import type { World } from "../../src/simulator/world.ts";
import { SPARE_OFFER, type SpareChange, spareWorld } from "./spare-world.ts";

/** A core that is broken in what it hears, in what it orders, or in when it wants to be woken. */
type Breakage = {
  /** What reaches the core of an event; nothing: it is lost. */
  readonly hear?: (event: Event) => Event[];
  readonly order?: (command: Command) => Command[];
  readonly lateMs?: number;
};

/** Without the core's own audit: the world must see by itself that something is wrong. */
function whatIsSeen(world: World, { hear, order, lateMs = 0 }: Breakage): string | undefined {
  const makeCore = (settings: World["settings"]): Core => {
    const core = new ControlPlane(settings);
    return {
      handle: (event, nowMs) => {
        const commands = (hear?.(event) ?? [event]).flatMap((each) => [...core.handle(each, nowMs)]);
        return order === undefined ? commands : commands.flatMap(order);
      },
      get wakeAtMs() {
        return core.wakeAtMs === undefined ? undefined : core.wakeAtMs + lateMs;
      },
      brokenInvariant: () => undefined,
    };
  };
  try {
    simulate(world, { auditEvery: 0, oracleEvery: 1, makeCore });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const SEEDS = [1, 2, 3, 4, 5];

const PRICES_MOVE: SpareChange = { offer: { priceChangeMsMean: 2000 } };
const TAKEN: SpareChange = {
  capacity: { interruptions: { ...NO_INTERRUPTIONS, lifeMsMean: 10_000, atRiskShare: 0.5 } },
  offer: { offer: { ...SPARE_OFFER, noticeMs: 20_000 } },
  function: { durationMsMean: 8000 },
};
/** Closed for a minute, beginning a minute after the world does. */
const WINDOW: CapacitySettings["constraints"][number] = {
  kind: "window",
  timeZone: "UTC",
  days: [1, 2, 3, 4, 5, 6, 7],
  fromMinute: 722,
  toMinute: 721,
};
const WINDOWED: SpareChange = { account: { constraints: [WINDOW] }, function: { gapMsMean: 2000 } };
/** Calls so rare that nothing else wakes the core. */
const RARE: SpareChange["function"] = { gapMsMean: 20_000, durationMsMean: 100 };
const settings = { ...DEFAULT_SETTINGS, unsatisfiedMs: 600_000, durationUnknownMs: 1000, startReserveMs: 1000 };
const DEADLINES: SpareChange = {
  world: { settings },
  capacity: { deadlineShare: 1, deadlineMsMax: 20_000 },
  ...PRICES_MOVE,
};

function whenSettled(change: (capacity: CapacitySettings) => Partial<CapacitySettings>): (event: Event) => Event[] {
  return (event) => {
    if (event.kind !== "AccountCapacityChanged" || event.capacity === undefined) return [event];
    return [{ ...event, capacity: { ...event.capacity, ...change(event.capacity) } }];
  };
}

function deafTo(...kinds: Event["kind"][]): (event: Event) => Event[] {
  return (event) => (kinds.includes(event.kind) ? [] : [event]);
}

/** News of this sort reach the core only with the next Tick. */
function slowFor(isSlow: (event: Event) => boolean): () => Breakage {
  return () => {
    let kept: Event[] = [];
    return {
      hear: (event) => {
        if (isSlow(event)) {
          kept.push(event);
          return [];
        }
        if (event.kind !== "Tick") return [event];
        const heard = [...kept, event];
        kept = [];
        return heard;
      },
    };
  };
}

function isPriceFall(): (event: Event) => boolean {
  const prices = new Map<string, number>();
  return (event) => {
    if (event.kind !== "OffersChanged") return false;
    let falls = false;
    for (const { id, priceUsdPerHour } of event.offers) {
      falls ||= priceUsdPerHour < (prices.get(id) ?? 0);
      prices.set(id, priceUsdPerHour);
    }
    return falls;
  };
}

/** The core believes in later deadlines than the callers do. */
function patientCore(): Breakage {
  const originals = new Map<string, Invocation>();
  const original = (invocation: Invocation) => originals.get(invocation.id) ?? invocation;
  return {
    hear: (event) => {
      if (event.kind !== "InvocationArrived" || event.invocation.deadlineMs === undefined) return [event];
      originals.set(event.invocation.id, event.invocation);
      return [{ ...event, invocation: { ...event.invocation, deadlineMs: event.invocation.deadlineMs + 100_000 } }];
    },
    order: (command) => {
      if (command.kind === "RejectInvocation") return [{ ...command, invocation: original(command.invocation) }];
      if (command.kind !== "RunInvocation") return [command];
      return [{ ...command, lease: { ...command.lease, invocation: original(command.lease.invocation) } }];
    },
  };
}

type Case = {
  readonly name: string;
  readonly make: () => Breakage;
  readonly says: RegExp;
  readonly world?: SpareChange;
};

const CASES: readonly Case[] = [
  {
    name: "forgets to wake on a price fall",
    make: () => slowFor(isPriceFall())(),
    world: PRICES_MOVE,
    says: /a wake-up was lost/,
  },
  {
    name: "ignores a constraint",
    make: () => ({ hear: whenSettled(() => ({ constraints: [] })) }),
    world: { account: { constraints: [{ kind: "demand", levelMax: 0.3 }] }, offer: { demandChangeMsMean: 2000 } },
    says: /fails its account's .*"demand"/,
  },
  {
    name: "ignores a window",
    make: () => ({ hear: whenSettled(() => ({ constraints: [] })) }),
    world: WINDOWED,
    says: /nobody may use|fails its account's .*"window"/,
  },
  {
    name: "oversleeps the opening of a window",
    make: () => ({ lateMs: 40_000 }),
    world: { ...WINDOWED, function: RARE, world: { settings, invocations: 20 } },
    says: /a wake-up was lost/,
  },
  {
    name: "oversleeps the moment to fall back",
    make: () => ({ lateMs: 40_000 }),
    world: {
      account: { onShortage: { kind: "fixed", afterMs: 10_000 } },
      offer: { offer: { ...SPARE_OFFER, isAvailable: false } },
      function: RARE,
      world: { invocations: 20 },
    },
    says: /a wake-up was lost/,
  },
  {
    name: "does not know what time it is",
    make: () => ({ hear: deafTo("WallClockSet") }),
    world: { account: { constraints: [{ ...WINDOW, fromMinute: 0, toMinute: 60 }] } },
    says: /nobody may use|fails its account's .*"window"/,
  },
  {
    name: "falls back to fixed",
    make: () => ({ hear: whenSettled(() => ({ class: "mixed" })) }),
    world: PRICES_MOVE,
    says: /of variable account spare was placed on fixed/,
  },
  {
    name: "falls back too soon",
    make: () => ({ hear: whenSettled(() => ({ onShortage: { kind: "fixed", afterMs: 0 } })) }),
    world: { ...PRICES_MOVE, account: { onShortage: { kind: "fixed", afterMs: 20_000 } } },
    says: /of variable account spare was placed on fixed/,
  },
  {
    name: "serves a fixed account with variable capacity",
    make: () => ({ hear: whenSettled(() => ({ class: "variable" })) }),
    world: { account: { class: "fixed", constraints: [] } },
    says: /of fixed account spare was placed on|nobody may use/,
  },
  {
    name: "gives up too soon",
    make: () => ({ hear: whenSettled(() => ({ onShortage: { kind: "fail", afterMs: 0 } })) }),
    world: { ...PRICES_MOVE, account: { onShortage: { kind: "fail", afterMs: 20_000 } } },
    says: /refused with NO_VARIABLE_CAPACITY, but it waited for/,
  },
  {
    name: "never gives up",
    make: () => ({ hear: whenSettled(() => ({ onShortage: { kind: "wait" } })) }),
    world: { ...PRICES_MOVE, account: { onShortage: { kind: "fail", afterMs: 100 } } },
    says: /waited for \d+ ms, until/,
  },
  {
    name: "places after a notice",
    make: () => ({ hear: deafTo("ReclaimNoticed") }),
    world: TAKEN,
    says: /after its notice/,
  },
  {
    name: "places on what is at risk",
    make: () => ({ hear: deafTo("InstanceAtRisk") }),
    world: TAKEN,
    says: /which is at risk/,
  },
  {
    name: "answers twice on a reclaim",
    make: () => ({
      order: (command) =>
        command.kind === "RejectInvocation" && command.code === "RECLAIMED" ? [command, command] : [command],
    }),
    world: TAKEN,
    says: /refused after it was answered/,
  },
  {
    name: "does not cut off in time",
    make: () => ({
      hear: (event) =>
        event.kind === "ReclaimNoticed" ? [{ ...event, deadlineMs: event.deadlineMs + 60_000 }] : [event],
    }),
    world: TAKEN,
    says: /were not cut off before it is taken away/,
  },
  {
    name: "cuts off at once",
    make: () => ({ hear: (event) => (event.kind === "ReclaimNoticed" ? [{ ...event, deadlineMs: 0 }] : [event]) }),
    world: { ...TAKEN, offer: { offer: { ...SPARE_OFFER, noticeMs: 30_000 } } },
    says: /was cut off \d+ ms before the end/,
  },
  {
    name: "calls a loss without notice a reclaim",
    make: () => ({
      order: (command) =>
        command.kind === "RejectInvocation" && command.code === "INSTANCE_LOST"
          ? [{ ...command, code: "RECLAIMED" }]
          : [command],
    }),
    world: { ...TAKEN, offer: { offer: { ...SPARE_OFFER, noticeMs: 0 } } },
    says: /on a lost instance ended with RECLAIMED/,
  },
  {
    name: "loses a held invocation",
    make: () => ({ hear: (event) => (event.kind === "InvocationArrived" ? [] : [event]) }),
    world: DEADLINES,
    says: /waited for \d+ ms, until|a wake-up was lost/,
  },
  {
    name: "begins after the deadline",
    make: patientCore,
    world: DEADLINES,
    says: /after its deadline|waited for \d+ ms, until/,
  },
  {
    name: "refuses what could be begun in time",
    make: () => ({
      order: (command) => {
        if (command.kind !== "RunInvocation") return [command];
        return [{ kind: "RejectInvocation", invocation: command.lease.invocation, code: "DEADLINE_MISSED" }];
      },
    }),
    says: /refused with DEADLINE_MISSED, but it could be begun in time/,
  },
  {
    name: "bids more than its account pays",
    make: () => ({
      order: (command) => [command.kind === "LaunchInstance" ? { ...command, bidUsdPerHour: 1 } : command],
    }),
    says: /was bid for|a bid of 1 for fixed/,
  },
  {
    name: "launches what is not to be had",
    make: () => ({
      hear: (event) => {
        if (event.kind !== "OffersChanged") return [event];
        return [{ ...event, offers: event.offers.map((offer) => ({ ...offer, isAvailable: true })) }];
      },
    }),
    world: { ...TAKEN, offer: { ...TAKEN.offer, outageEveryMsMean: 2000, outageMsMean: 5000 } },
    says: /which has none now/,
  },
  {
    name: "never asks for what it lacks",
    make: () => ({ order: (command) => (command.kind === "LaunchInstance" ? [] : [command]) }),
    says: /nobody brings about room/,
  },
  {
    name: "gives no reasons",
    make: () => ({ order: (command) => ["reason" in command ? { ...command, reason: "" } : command] }),
    says: /has no reason/,
  },
];

describe("a core that is broken about capacity is caught", () => {
  it.for(CASES)("that $name", ({ make, says, world }) => {
    const seen: string[] = [];
    for (const seed of SEEDS) {
      const message = whatIsSeen(spareWorld(seed, world), make());
      if (message !== undefined && says.test(message)) return;
      seen.push(message ?? "nothing");
    }
    expect.fail(`was not seen; what was: ${seen.join("\n").slice(0, 2000)}`);
  });

  it.for(CASES)("and the sound core passes where one is caught that $name", ({ world }) => {
    for (const seed of SEEDS) expect(whatIsSeen(spareWorld(seed, world), {})).toBeUndefined();
  });
});
