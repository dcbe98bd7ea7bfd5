import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Offer } from "../../model/capacity.ts";
import { type CostRow, OTHER_FUNCTIONS } from "../../model/cost.ts";
import type { AccountId, InstanceId, OfferId } from "../../model/ids.ts";
import type { SubPool } from "../../model/instance.ts";
import { CostSheet, ROWS_MAX } from "./cost-sheet.ts";
import { Ledger } from "./ledger.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse("2026-11-21T00:00:00Z");
const accounts = ["000000000000", "111111111111"] as AccountId[];
const [accountA, accountB] = accounts as [AccountId, AccountId];
const shape = { memoryMiB: 2048, cpuMilli: 1000 };

/** A GiB of `spot` costs half of a GiB of `on-demand`. */
const offers = {
  "on-demand": offer("on-demand", "fixed", 0.2, false),
  spot: offer("spot", "variable", 0.1, false),
  harvest: offer("harvest", "variable", 0.05, true),
};
type OfferName = keyof typeof offers;
const offerNames = Object.keys(offers) as OfferName[];

function offer(id: string, subPool: SubPool, priceUsdPerHour: number, isElastic: boolean): Offer {
  return {
    id: id as OfferId,
    provider: "ec2",
    subPool,
    instanceType: "m7i.large",
    zone: "a",
    shape,
    isElastic,
    capacity: undefined,
    priceUsdPerHour,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: 120_000,
  };
}

function ledgerAt(nowMs: number): Ledger {
  const ledger = new Ledger({}, nowMs);
  ledger.publish(Object.values(offers), nowMs);
  return ledger;
}

function held(id: string, name: OfferName, accountId: AccountId | undefined, sinceMs: number, memoryMiB = 2048) {
  const { subPool } = offers[name];
  const ownShape = { ...shape, memoryMiB };
  return { id: id as InstanceId, subPool, offerId: name as OfferId, shape: ownShape, accountId, sinceMs };
}

function execution(functionName: string, name: OfferName, wallMs: number, priceUsdPerHour: number | undefined) {
  const { subPool } = offers[name];
  const offerId = name as OfferId;
  return { accountId: accountA, functionName, subPool, offerId, shape, memoryMiB: 512, priceUsdPerHour, wallMs };
}

const near = (usd: number) => expect.closeTo(usd, 9);

describe("stories", () => {
  test("an instance is nobody's, then an account's; its price changes meanwhile", () => {
    const ledger = ledgerAt(START_MS);
    ledger.hold(held("i-1", "spot", undefined, START_MS), START_MS);
    ledger.assign("i-1" as InstanceId, accountA, START_MS + HOUR_MS);
    ledger.publish([{ ...offers.spot, priceUsdPerHour: 0.3 }], START_MS + 2 * HOUR_MS);
    ledger.release("i-1" as InstanceId, START_MS + 3 * HOUR_MS);
    expect(ledger.take(START_MS + 9 * HOUR_MS)).toEqual([
      row({ accountId: undefined, heldMs: HOUR_MS, heldUsd: near(0.1), fixedUsd: near(0.2) }),
      row({ accountId: accountA, heldMs: 2 * HOUR_MS, heldUsd: near(0.1 + 0.3), fixedUsd: near(0.4) }),
    ]);
    expect(ledger.take(START_MS + 10 * HOUR_MS)).toEqual([]);
    expect(ledger.holdingCount).toBe(0);
  });

  test("an execution costs its container's share of the instance, at the price when it began", () => {
    const ledger = ledgerAt(START_MS);
    // 512 of 2048 MiB for half an hour.
    const onSpot = ledger.execute(execution("f", "spot", HOUR_MS / 2, 0.08), START_MS);
    expect(onSpot).toEqual({ costUsd: near(0.08 / 8), fixedUsd: near(0.2 / 8) });
    const onFixed = ledger.execute(execution("f", "on-demand", HOUR_MS / 2, 0.2), START_MS);
    expect(onFixed).toEqual({ costUsd: near(0.2 / 8), fixedUsd: near(0.2 / 8) });
    ledger.execute(execution("f", "spot", HOUR_MS / 2, 0.08), START_MS);
    const run = { functionName: "f", accountId: accountA };
    expect(ledger.take(START_MS)).toEqual([
      row({ ...run, invocations: 2, busyMs: HOUR_MS, runUsd: near(0.02), fixedUsd: near(0.05) }),
      row({
        ...run,
        subPool: "fixed",
        invocations: 1,
        busyMs: HOUR_MS / 2,
        runUsd: near(0.025),
        fixedUsd: near(0.025),
      }),
    ]);
  });

  test("half of an elastic instance costs half", () => {
    const ledger = ledgerAt(START_MS);
    ledger.hold(held("i-1", "harvest", accountA, START_MS, 1024), START_MS);
    const [found] = ledger.take(START_MS + HOUR_MS);
    expect(found).toMatchObject({ heldUsd: near(0.025), fixedUsd: near(0.1) });
    const cost = ledger.execute(
      { ...execution("f", "harvest", HOUR_MS, 0.05), shape: { ...shape, memoryMiB: 1024 } },
      START_MS,
    );
    expect(cost.costUsd).toEqual(near(0.05 / 4));
  });

  test("booting is paid for; one that was known already is not counted twice", () => {
    const ledger = ledgerAt(START_MS);
    ledger.hold(held("i-1", "spot", accountA, START_MS), START_MS + HOUR_MS);
    ledger.hold(held("i-1", "spot", accountB, START_MS), START_MS + HOUR_MS);
    ledger.release("i-1" as InstanceId, START_MS + HOUR_MS);
    ledger.release("i-1" as InstanceId, START_MS + HOUR_MS);
    ledger.assign("never was" as InstanceId, accountB, START_MS + HOUR_MS);
    expect(ledger.take(START_MS + 5 * HOUR_MS)).toEqual([
      row({ accountId: accountA, heldMs: HOUR_MS, heldUsd: near(0.1), fixedUsd: near(0.2) }),
    ]);
  });

  test("midnight divides what is held; a clock that is set moves what comes after", () => {
    const ledger = ledgerAt(START_MS);
    ledger.hold(held("i-1", "spot", accountA, START_MS), START_MS);
    ledger.setWallClock(-DAY_MS, START_MS + 50 * HOUR_MS);
    const rows = ledger.take(START_MS + 51 * HOUR_MS);
    expect(rows.map(({ day, heldMs }) => [day, heldMs / HOUR_MS])).toEqual([
      ["2026-11-21", 24],
      ["2026-11-22", 24 + 1],
      ["2026-11-23", 2],
    ]);
  });

  test("without a priced fixed offer the setting says what fixed capacity costs, or nobody knows", () => {
    const publish = (ledger: Ledger) =>
      ledger.publish([{ ...offers["on-demand"], priceUsdPerHour: 0 }, offers.spot], START_MS);
    const unknown = new Ledger({}, START_MS);
    publish(unknown);
    expect(unknown.execute(execution("f", "spot", HOUR_MS, 0.1), START_MS).fixedUsd).toBeUndefined();
    const set = new Ledger({ fixedUsdPerGiBHour: 0.4 }, START_MS);
    publish(set);
    expect(set.execute(execution("f", "spot", HOUR_MS, 0.1), START_MS).fixedUsd).toEqual(near(0.2));
    set.publish([offers["on-demand"]], START_MS);
    expect(set.fixedUsdPerGiBHour).toBe(0.1);
  });

  test("a price that is no number spoils nothing, and an offer that nobody published costs nothing", () => {
    const ledger = ledgerAt(START_MS);
    ledger.hold(held("i-1", "spot", accountA, START_MS), START_MS);
    for (const priceUsdPerHour of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      ledger.publish([{ ...offers.spot, priceUsdPerHour }], START_MS);
    }
    const stranger = { ...held("i-2", "spot", accountB, START_MS), offerId: "unknown" as OfferId };
    ledger.hold(stranger, START_MS);
    const rows = ledger.take(START_MS + HOUR_MS);
    expect(rows.map(({ heldUsd }) => heldUsd)).toEqual([near(0.1), 0]);
    expect(
      ledger.execute({ ...execution("f", "spot", 1, 0.1), offerId: stranger.offerId }, START_MS).costUsd,
    ).toBeUndefined();
  });

  test("beyond the bound functions are counted together", () => {
    const sheet = new CostSheet();
    const key = { day: "2026-11-21", accountId: accountA, subPool: "fixed" as const };
    for (let i = 0; i < ROWS_MAX + 10; i++) sheet.add({ ...key, functionName: `f${i}` }, { invocations: 1 });
    sheet.add({ ...key, functionName: undefined }, { heldUsd: 1 });
    const rows = sheet.take();
    expect(rows).toHaveLength(ROWS_MAX + 2);
    expect(rows.find(({ functionName }) => functionName === OTHER_FUNCTIONS)?.invocations).toBe(10);
  });
});

function row(members: { [Member in keyof CostRow]?: unknown }): CostRow {
  return {
    day: "2026-11-21",
    accountId: undefined,
    functionName: undefined,
    subPool: "variable",
    invocations: 0,
    busyMs: 0,
    runUsd: 0,
    heldMs: 0,
    heldUsd: 0,
    fixedUsd: 0,
    ...members,
  } as CostRow;
}

/** Few distinct values, so that the same instances, offers and accounts meet often. */
const step = fc.record({
  afterMs: fc.oneof(fc.nat(5000), fc.nat(3 * DAY_MS)),
  what: fc.oneof(
    fc.record({ kind: fc.constant("price" as const), name: fc.constantFrom(...offerNames), usd: fc.nat(5) }),
    fc.record({
      kind: fc.constant("hold" as const),
      id: fc.nat(4),
      name: fc.constantFrom(...offerNames),
      account: fc.constantFrom(undefined, ...accounts),
      memoryMiB: fc.constantFrom(1024, 2048, 4096),
    }),
    fc.record({ kind: fc.constant("assign" as const), id: fc.nat(4), account: fc.constantFrom(...accounts) }),
    fc.record({ kind: fc.constant("release" as const), id: fc.nat(4) }),
    fc.record({ kind: fc.constant("clock" as const), offsetMs: fc.integer({ min: -DAY_MS, max: DAY_MS }) }),
    fc.record({ kind: fc.constant("take" as const), isWritten: fc.boolean() }),
  ),
});

type Counted = { heldMs: number; heldUsd: number };

/** The definition, word by word: for every instance and every piece of time, its price then. */
class Naive {
  readonly instances = new Map<number, { name: OfferName; account: AccountId | undefined; memoryMiB: number }>();
  readonly prices = new Map(offerNames.map((name) => [name, offers[name].priceUsdPerHour]));
  readonly sums = new Map<string, Counted>();
  offsetMs = 0;
  nowMs = START_MS;

  pass(ms: number): void {
    for (let left = ms; left > 0; ) {
      const wallMs = this.nowMs + this.offsetMs;
      const pieceMs = Math.min(left, (Math.floor(wallMs / DAY_MS) + 1) * DAY_MS - wallMs);
      const day = new Date(wallMs).toISOString().slice(0, 10);
      for (const { name, account, memoryMiB } of this.instances.values()) {
        const size = offers[name].isElastic ? memoryMiB / shape.memoryMiB : 1;
        const key = `${day} ${account} ${offers[name].subPool}`;
        const sum = this.sums.get(key) ?? { heldMs: 0, heldUsd: 0 };
        sum.heldMs += pieceMs;
        sum.heldUsd += ((this.prices.get(name) ?? 0) * size * pieceMs) / HOUR_MS;
        this.sums.set(key, sum);
      }
      this.nowMs += pieceMs;
      left -= pieceMs;
    }
  }
}

test("accounts and the unassigned together are price × time of all instances, day by day, whatever fails to be written", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const naive = new Naive();
      const ledger = ledgerAt(START_MS);
      const written: CostRow[] = [];
      for (const { afterMs, what } of steps) {
        naive.pass(afterMs);
        const { nowMs } = naive;
        switch (what.kind) {
          case "price":
            naive.prices.set(what.name, what.usd);
            ledger.publish([{ ...offers[what.name], priceUsdPerHour: what.usd }], nowMs);
            break;
          case "hold": {
            const { id, name, account, memoryMiB } = what;
            if (!naive.instances.has(id)) naive.instances.set(id, { name, account, memoryMiB });
            ledger.hold(held(String(id), name, account, nowMs, memoryMiB), nowMs);
            break;
          }
          case "assign": {
            const instance = naive.instances.get(what.id);
            if (instance !== undefined) instance.account = what.account;
            ledger.assign(String(what.id) as InstanceId, what.account, nowMs);
            break;
          }
          case "release":
            naive.instances.delete(what.id);
            ledger.release(String(what.id) as InstanceId, nowMs);
            break;
          case "clock":
            naive.offsetMs = what.offsetMs;
            ledger.setWallClock(what.offsetMs, nowMs);
            break;
          case "take": {
            const rows = ledger.take(nowMs);
            if (what.isWritten) written.push(...rows);
            else ledger.putBack(rows);
          }
        }
      }
      written.push(...ledger.take(naive.nowMs));
      const sums = new Map<string, Counted>();
      for (const { day, accountId, subPool, heldMs, heldUsd } of written) {
        const sum = sums.get(`${day} ${accountId} ${subPool}`) ?? { heldMs: 0, heldUsd: 0 };
        sums.set(`${day} ${accountId} ${subPool}`, { heldMs: sum.heldMs + heldMs, heldUsd: sum.heldUsd + heldUsd });
      }
      expect([...sums.keys()].sort()).toEqual([...naive.sums.keys()].sort());
      for (const [key, { heldMs, heldUsd }] of naive.sums) {
        expect(sums.get(key)?.heldMs).toBeCloseTo(heldMs, 3);
        expect(sums.get(key)?.heldUsd).toBeCloseTo(heldUsd, 6);
      }
      expect(ledger.holdingCount).toBeLessThanOrEqual(naive.instances.size);
    }),
  );
});
