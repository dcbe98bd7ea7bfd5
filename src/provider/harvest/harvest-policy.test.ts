import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HostLoad } from "../../host/pressure.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import {
  decideHarvest,
  type HarvestDecision,
  type HarvestInstance,
  type HarvestSample,
  type HarvestState,
  NOTHING_SEEN,
} from "./harvest-policy.ts";
import type { HarvestSettings } from "./harvest-settings.ts";

const SETTINGS: HarvestSettings = {
  reserve: { memoryMiB: 1000, cpuMilli: 400 },
  floor: { memoryMiB: 500, cpuMilli: 200 },
  shape: { memoryMiB: 1024, cpuMilli: 300 },
  shapeMin: { memoryMiB: 512, cpuMilli: 300 },
  calmMs: 30_000,
  pressedMs: 5_000,
  noticeMs: 30_000,
  noticeMsMin: 2_000,
  cpuPressureMax: 0.5,
  memoryPressureMax: 0.1,
};

const CALM = { cpuSome: 0, memorySome: 0, memoryFull: 0 };

/** A host with 16 GiB and four processors, of which one is busy and half the memory free. */
const HOST: HostLoad = {
  atMs: 0,
  memoryTotalMiB: 16_000,
  memoryAvailableMiB: 8000,
  cpuMilli: 4000,
  cpuBusyMilli: 1000,
  loadPerCore: 0.25,
  pressure: CALM,
};

type Change = { host?: Partial<HostLoad>; ours?: Shape; owedMiB?: number; instances?: readonly HarvestInstance[] };

function sampleOf({ host, ours = { memoryMiB: 0, cpuMilli: 0 }, owedMiB = 0, instances = [] }: Change): HarvestSample {
  return { host: { ...HOST, ...host }, ours, owedMiB, instances };
}

function instance(name: string, change: Partial<HarvestInstance> = {}): HarvestInstance {
  const shape = { memoryMiB: 1024, cpuMilli: 600 };
  return { instanceId: name as InstanceId, shape, usedMiB: 100, launchedMs: 0, deadlineMs: undefined, ...change };
}

/** A host that is watched once a second. Notices are obeyed: whoever got one has its deadline from then on. */
class Watch {
  readonly decisions: HarvestDecision[] = [];
  #state: HarvestState = NOTHING_SEEN;
  #nowMs = 0;
  readonly #deadlines = new Map<InstanceId, number>();

  step(change: Change = {}): HarvestDecision {
    this.#nowMs += 1000;
    const instances = (change.instances ?? []).map((one) => ({
      ...one,
      deadlineMs: this.#deadlines.get(one.instanceId),
    }));
    const sample = sampleOf({ ...change, instances, host: { ...change.host, atMs: this.#nowMs } });
    const { state, decision } = decideHarvest(this.#state, sample, SETTINGS);
    for (const { instanceId, deadlineMs } of decision.giveBack) this.#deadlines.set(instanceId, deadlineMs);
    this.#state = state;
    this.decisions.push(decision);
    return decision;
  }

  steps(count: number, change: Change = {}): HarvestDecision {
    for (let at = 1; at < count; at++) this.step(change);
    return this.step(change);
  }

  get noticed(): InstanceId[] {
    return this.decisions.flatMap(({ giveBack }) => giveBack.map(({ instanceId }) => instanceId));
  }

  pause(ms: number): void {
    this.#nowMs += ms;
  }
}

describe("spare capacity is offered", () => {
  test("when there was room for a while, beyond the reserve", () => {
    const watch = new Watch();
    expect(watch.steps(30)).toMatchObject({ isAvailable: false, capacity: { memoryMiB: 0, cpuMilli: 0 } });
    // 8000 - 1000 and 4000 - 1000 - 400, rounded down to 128 MiB and 100 mCPU.
    expect(watch.step()).toMatchObject({ isAvailable: true, capacity: { memoryMiB: 6912, cpuMilli: 2600 } });
  });

  test("as little as there was at the worst moment of that while, and less at once", () => {
    const watch = new Watch();
    watch.steps(40);
    expect(watch.step({ host: { memoryAvailableMiB: 4000 } }).capacity.memoryMiB).toBe(2944);
    expect(watch.steps(29).capacity.memoryMiB).toBe(2944);
    expect(watch.steps(2).capacity.memoryMiB).toBe(6912);
  });

  test("no more memory than there are processors for", () => {
    const capacity = { memoryMiB: 2304, cpuMilli: 700 };
    expect(new Watch().steps(31, { host: { cpuBusyMilli: 2900 } }).capacity).toEqual(capacity);
  });

  test("again after a while when the server stood still meanwhile: nobody watched", () => {
    const watch = new Watch();
    expect(watch.steps(40).isAvailable).toBe(true);
    watch.pause(60_000);
    expect(watch.step().isAvailable).toBe(false);
    expect(watch.steps(30).isAvailable).toBe(true);
  });

  test("without what is promised to fixed instances", () => {
    expect(new Watch().steps(31, { owedMiB: 6000 }).capacity.memoryMiB).toBe(896);
    expect(new Watch().steps(31, { owedMiB: 7000 }).isAvailable).toBe(false);
  });

  test("with what our own instances use: lending less would not free more", () => {
    const lent = [instance("i-1", { usedMiB: 900 })];
    const ours = { memoryMiB: 900, cpuMilli: 1500 };
    const host = { memoryAvailableMiB: 7100, cpuBusyMilli: 2500, pressure: { ...CALM, cpuSome: 0.6 } };
    const decision = new Watch().steps(31, { instances: lent, ours, host });
    expect(decision).toMatchObject({ isAvailable: true, capacity: { memoryMiB: 6912, cpuMilli: 2600 } });
    expect(decision.demandLevel).toBe(0.5);
  });

  test("not while the host's work waits", () => {
    const waiting = { ...CALM, cpuSome: 0.3 };
    const thrashing = { ...CALM, memoryFull: 0.06 };
    expect(new Watch().steps(31, { host: { pressure: waiting } }).isAvailable).toBe(false);
    expect(new Watch().steps(31, { host: { pressure: undefined, loadPerCore: 1.3 } }).isAvailable).toBe(false);
    expect(new Watch().steps(31, { host: { pressure: undefined, loadPerCore: 1.2 } }).isAvailable).toBe(true);
    const scarce = { pressure: thrashing, memoryAvailableMiB: 1900 };
    expect(new Watch().steps(31, { host: scarce }).isAvailable).toBe(false);
    // With plenty free it is a control group at its own limit.
    expect(new Watch().steps(31, { host: { pressure: thrashing } }).isAvailable).toBe(true);
  });
});

describe("spare capacity is taken back", () => {
  const three = [
    instance("i-1", { launchedMs: 1 }),
    instance("i-2", { launchedMs: 2 }),
    instance("i-3", { launchedMs: 3 }),
  ];

  test("with notice, when it was missing for a while; at risk before", () => {
    const watch = new Watch();
    watch.steps(40, { instances: three });
    const short = { instances: three, host: { memoryAvailableMiB: 3000 } };
    for (let at = 0; at < 3; at++) expect(watch.step(short).atRisk).toEqual([]);
    const atRisk = watch.step(short);
    expect(atRisk.atRisk.map(({ instanceId }) => instanceId)).toEqual(["i-3"]);
    expect(atRisk.isAvailable).toBe(false);
    watch.step(short);
    expect(watch.noticed).toEqual([]);
    const decision = watch.step(short);
    expect(decision.giveBack).toEqual([
      { instanceId: "i-3", deadlineMs: 46_000 + 30_000, reason: "the host has 2500 MiB to spare of 3072 lent" },
    ]);
    expect(watch.steps(20, short).giveBack).toEqual([]);
    expect(watch.noticed).toEqual(["i-3"]);
  });

  test("not for a moment, and not between reserve and floor", () => {
    const watch = new Watch();
    for (let round = 0; round < 20; round++) {
      watch.steps(4, { instances: three, host: { memoryAvailableMiB: 3000 } });
      watch.step({ instances: three, host: { memoryAvailableMiB: 3600 } });
    }
    expect(watch.noticed).toEqual([]);
    // Less than the reserve is left beside what is lent: nothing more is offered, and nothing taken.
    expect(watch.steps(60, { instances: three, host: { memoryAvailableMiB: 3600 } }).capacity.memoryMiB).toBe(2560);
    expect(watch.noticed).toEqual([]);
  });

  test("the emptiest first, among equals the newest, as many as it takes", () => {
    const mixed = [
      instance("i-full", { usedMiB: 900, launchedMs: 9 }),
      instance("i-old", { usedMiB: 100, launchedMs: 1 }),
      instance("i-new", { usedMiB: 120, launchedMs: 5 }),
    ];
    const watch = new Watch();
    watch.steps(20, { instances: mixed, host: { memoryAvailableMiB: 1600 } });
    expect(watch.noticed).toEqual(["i-new", "i-old"]);
    const all = new Watch();
    all.steps(20, { instances: mixed, host: { memoryAvailableMiB: 400 } });
    expect(all.noticed).toEqual(["i-new", "i-old", "i-full"]);
  });

  test("when others need the processors", () => {
    const watch = new Watch();
    watch.steps(40, { instances: three, host: { cpuBusyMilli: 2000 } });
    expect(watch.noticed).toEqual([]);
    const ours = { memoryMiB: 0, cpuMilli: 500 };
    const decision = watch.steps(6, { instances: three, ours, host: { cpuBusyMilli: 3000 } });
    expect(decision.giveBack.map(({ reason }) => reason)).toEqual(["the host has 1300 mCPU to spare of 1800 lent"]);
    expect(decision.demandLevel).toBe(0.63);
  });

  test("one after the other under pressure that no figure explains", () => {
    const watch = new Watch();
    const host = { pressure: { ...CALM, cpuSome: 0.6 } };
    watch.steps(6, { instances: three, host });
    expect(watch.noticed).toEqual(["i-3"]);
    watch.steps(5, { instances: three, host });
    expect(watch.noticed).toEqual(["i-3", "i-2"]);
  });

  test("at once and soon, all of it, when memory runs out fast", () => {
    const watch = new Watch();
    watch.steps(40, { instances: three });
    let availableMiB = 8000;
    while (watch.noticed.length === 0) {
      availableMiB -= 400;
      watch.step({ instances: three, host: { memoryAvailableMiB: availableMiB } });
    }
    expect(availableMiB).toBe(3200); // The first moment at which 3072 + 500 are not there.
    const [first] = watch.decisions.at(-1)?.giveBack ?? [];
    expect(watch.noticed.toSorted()).toEqual(["i-1", "i-2", "i-3"]);
    // 3075 MiB at 400 per second last 7.7 s.
    expect((first?.deadlineMs ?? 0) - 1000 * watch.decisions.length).toBeCloseTo(3843.75);
  });

  test("earlier than was said, when it then runs out fast", () => {
    const watch = new Watch();
    watch.steps(10, { instances: three, host: { memoryAvailableMiB: 3000 } });
    expect(watch.noticed).toEqual(["i-3"]);
    const decision = watch.step({ instances: three, host: { memoryAvailableMiB: 100 } });
    const deadlines = decision.giveBack.map(({ instanceId, deadlineMs }) => [instanceId, deadlineMs]);
    expect(deadlines).toEqual(["i-1", "i-2", "i-3"].map((name) => [name, 11_000 + 2000]));
    expect(watch.step({ instances: three, host: { memoryAvailableMiB: 50 } }).giveBack).toEqual([]);
  });

  test("and offered again when it is there again", () => {
    const watch = new Watch();
    watch.steps(20, { instances: three, host: { memoryAvailableMiB: 400 } });
    expect(watch.steps(29).isAvailable).toBe(false);
    expect(watch.steps(3).isAvailable).toBe(true);
  });
});

describe("for every host", () => {
  const shape = fc.record({ memoryMiB: fc.constantFrom(512, 1024, 2048), cpuMilli: fc.constantFrom(300, 600, 2000) });
  const instances = fc
    .array(fc.record({ shape, usedMiB: fc.constantFrom(50, 500), launchedMs: fc.nat(2) }), { maxLength: 5 })
    .map((list) => list.map((one, at) => instance(`i-${at}`, one)));
  const change = fc.record({
    instances,
    owedMiB: fc.constantFrom(0, 3000),
    ours: fc.record({ memoryMiB: fc.constantFrom(0, 800), cpuMilli: fc.constantFrom(0, 1500) }),
    host: fc.record({
      memoryAvailableMiB: fc.constantFrom(0, 900, 3000, 8000),
      cpuBusyMilli: fc.constantFrom(0, 1500, 4000),
      pressure: fc.constantFrom(undefined, CALM, { cpuSome: 0.9, memorySome: 0.5, memoryFull: 0.3 }),
    }),
  });
  const life = fc.array(fc.tuple(change, fc.integer({ min: 1, max: 35 })), { maxLength: 6 });

  test("what is offered was spare at every moment of the while before", () => {
    fc.assert(
      fc.property(life, (parts) => {
        const watch = new Watch();
        const spareMiB: number[] = [];
        for (const [part, count] of parts) {
          for (let at = 0; at < count; at++) {
            const { capacity, isAvailable, demandLevel } = watch.step(part);
            spareMiB.push(
              part.host.memoryAvailableMiB + part.ours.memoryMiB - part.owedMiB - SETTINGS.reserve.memoryMiB,
            );
            expect(capacity.memoryMiB).toBeLessThanOrEqual(Math.max(0, ...[Math.min(...spareMiB.slice(-30))]));
            if (isAvailable) expect(capacity.memoryMiB).toBeGreaterThanOrEqual(SETTINGS.shapeMin.memoryMiB);
            expect(demandLevel).toBeGreaterThanOrEqual(0);
            expect(demandLevel).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });

  test("nobody gets a later deadline than before, nor one sooner than the least notice", () => {
    fc.assert(
      fc.property(life, (parts) => {
        const watch = new Watch();
        const deadlines = new Map<InstanceId, number>();
        for (const [part, count] of parts) {
          for (let at = 0; at < count; at++) {
            for (const { instanceId, deadlineMs } of watch.step(part).giveBack) {
              expect(deadlineMs).toBeGreaterThanOrEqual(1000 * watch.decisions.length + SETTINGS.noticeMsMin);
              expect(deadlineMs).toBeLessThan(deadlines.get(instanceId) ?? Infinity);
              deadlines.set(instanceId, deadlineMs);
            }
          }
        }
      }),
    );
  });

  test("the order in which instances are listed decides nothing", () => {
    fc.assert(
      fc.property(change, (part) => {
        const backwards = { ...part, instances: part.instances.toReversed() };
        const [one, other] = [new Watch(), new Watch()];
        one.steps(7, part);
        other.steps(7, backwards);
        expect(new Set(other.noticed)).toEqual(new Set(one.noticed));
      }),
    );
  });
});
