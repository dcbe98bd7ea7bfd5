import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY, type Offer } from "../model/capacity.ts";
import type { CostRow } from "../model/cost.ts";
import type { AccountId, FunctionKey, InstanceId, InvocationId, OfferId } from "../model/ids.ts";
import type { PoolsSnapshot, WaitEntry } from "../model/snapshot.ts";
import { registerCapacity } from "./capacity-metrics.ts";

const accountId = "111111111111" as AccountId;
const shape = { memoryMiB: 1024, cpuMilli: 1000 };
const spot: Offer = {
  id: "ec2/a/m/spot" as OfferId,
  provider: "ec2",
  subPool: "variable",
  instanceType: "m",
  zone: "a",
  shape,
  isElastic: false,
  capacity: undefined,
  priceUsdPerHour: 0.03,
  demandLevel: 0.5,
  isAvailable: false,
  noticeMs: 120_000,
};

function waitOf(...kinds: WaitEntry["waitsFor"][number]["kind"][]): WaitEntry {
  return {
    invocationId: "w" as InvocationId,
    accountId,
    functionKey: "k" as FunctionKey,
    mode: "synchronous",
    sinceMs: 0,
    place: 1,
    waitsFor: kinds.map((kind) => ({ kind, text: "" })),
  };
}

const variable: CapacitySettings = { ...DEFAULT_CAPACITY, class: "variable" };

test("offers with their instances, and waits by class and cause, as they are at the scrape", async () => {
  const registry = new Registry();
  let offers = [spot];
  let waits = [waitOf("price", "window", "price"), waitOf("price")];
  const instance = {
    subPool: "variable",
    state: "active",
    shape,
    usedMemoryMiB: 0,
    sinceMs: 0,
    containers: [],
  } as const;
  const instances = [{ ...instance, id: "i-1" as InstanceId, offerId: spot.id }];
  registerCapacity(registry, {
    pools: () => ({ instances }) as unknown as PoolsSnapshot,
    offers: () => offers,
    waits: (countMax) => waits.slice(0, countMax),
    capacityOf: () => variable,
  });
  const text = await registry.metrics();
  const labels = '{offer="ec2/a/m/spot",sub_pool="variable"}';
  expect(text).toContain(`hearth_offer_price_usd_per_hour${labels} 0.03`);
  expect(text).toContain(`hearth_offer_demand_level${labels} 0.5`);
  expect(text).toContain(`hearth_offer_available${labels} 0`);
  expect(text).toContain(`hearth_offer_instances${labels} 1`);
  expect(text).toContain('hearth_waiting_causes{class="variable",cause="price"} 2');
  expect(text).toContain('hearth_waiting_causes{class="variable",cause="window"} 1');
  offers = [];
  waits = [];
  instances.length = 0;
  const later = await registry.metrics();
  expect(later).not.toContain("ec2/a/m/spot");
  expect(later).not.toContain('cause="price"');
});

test("costs are added up: instances and what ran on them apart", async () => {
  const registry = new Registry();
  const count = registerCapacity(registry, {
    pools: () => ({ instances: [] }) as unknown as PoolsSnapshot,
    offers: () => [],
    waits: () => [],
    capacityOf: () => variable,
  });
  const row: CostRow = {
    day: "2026-11-21",
    accountId,
    functionName: undefined,
    subPool: "fixed",
    invocations: 0,
    busyMs: 0,
    runUsd: 0,
    heldMs: 1,
    heldUsd: 0.5,
    fixedUsd: 0.75,
  };
  const run = { ...row, functionName: "f", runUsd: 0.25, heldUsd: 0, fixedUsd: 8 };
  count([row, run, { ...row, accountId: undefined }]);
  count([row]);
  const text = await registry.metrics();
  expect(text).toContain('hearth_cost_held_usd_total{account="111111111111",sub_pool="fixed"} 1\n');
  expect(text).toContain('hearth_cost_held_usd_total{account="none",sub_pool="fixed"} 0.5');
  expect(text).toContain('hearth_cost_fixed_usd_total{account="111111111111",sub_pool="fixed"} 1.5');
  expect(text).toContain('hearth_cost_run_usd_total{account="111111111111",sub_pool="fixed"} 0.25');
});
