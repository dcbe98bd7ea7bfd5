import { Counter, Gauge, type Registry } from "prom-client";
import type { CapacitySettings, Offer } from "../model/capacity.ts";
import type { CostRow } from "../model/cost.ts";
import type { AccountId } from "../model/ids.ts";
import type { PoolsSnapshot, WaitEntry } from "../model/snapshot.ts";

/** Waiting invocations that one scrape looks at: finding out what each waits for takes time. */
const WAITS_LOOKED_AT_MAX = 1000;

/** What the figures of capacity are read from at each scrape. */
export type CapacityMetricsInput = {
  pools(): PoolsSnapshot;
  offers(): readonly Offer[];
  /** The first ones, in the order in which they are tried. */
  waits(countMax: number): readonly WaitEntry[];
  capacityOf(accountId: AccountId): CapacitySettings;
};

/** Registers the figures of offers, waits and costs. @returns counts the costs of rows, each told once. */
export function registerCapacity(registry: Registry, input: CapacityMetricsInput): (rows: readonly CostRow[]) => void {
  registerOffers(registry, input);
  registerWaits(registry, input);
  return registerCosts(registry);
}

function registerOffers(registry: Registry, { offers, pools }: CapacityMetricsInput): void {
  const labelNames = ["offer", "sub_pool"];
  const registers = [registry];
  // Read first at a scrape, as it is registered first; it fills in the others.
  const price: Gauge<string> = new Gauge({
    name: "hearth_offer_price_usd_per_hour",
    help: "What an instance of each offer costs now",
    labelNames,
    registers,
    collect: () => {
      for (const gauge of [price, demand, available, instances]) gauge.reset();
      for (const offer of offers()) {
        const labels = { offer: offer.id, sub_pool: offer.subPool };
        price.set(labels, offer.priceUsdPerHour);
        demand.set(labels, offer.demandLevel);
        available.set(labels, offer.isAvailable ? 1 : 0);
        instances.set(labels, 0);
      }
      for (const { offerId, subPool } of pools().instances) instances.inc({ offer: offerId, sub_pool: subPool });
    },
  });
  const demand = new Gauge({
    name: "hearth_offer_demand_level",
    help: "How busy the place of each offer is, 0 to 1",
    labelNames,
    registers,
  });
  const available = new Gauge({
    name: "hearth_offer_available",
    help: "Whether instances can be launched from each offer now",
    labelNames,
    registers,
  });
  const instances = new Gauge({
    name: "hearth_offer_instances",
    help: "Instances of each offer that are not gone",
    labelNames,
    registers,
  });
}

function registerWaits(registry: Registry, { waits, capacityOf }: CapacityMetricsInput): void {
  const waiting: Gauge<string> = new Gauge({
    name: "hearth_waiting_causes",
    help: `What the first ${WAITS_LOOKED_AT_MAX} waiting invocations wait for, by their accounts' class; one may wait for several`,
    labelNames: ["class", "cause"],
    registers: [registry],
    collect: () => {
      waiting.reset();
      for (const { accountId, waitsFor } of waits(WAITS_LOOKED_AT_MAX)) {
        const capacityClass = capacityOf(accountId).class;
        for (const cause of new Set(waitsFor.map(({ kind }) => kind))) waiting.inc({ class: capacityClass, cause });
      }
    },
  });
}

function registerCosts(registry: Registry): (rows: readonly CostRow[]) => void {
  const labelNames = ["account", "sub_pool"];
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers: [registry] });
  const held = counter("hearth_cost_held_usd_total", "What instances cost, by account; none: the warming pool");
  const run = counter("hearth_cost_run_usd_total", "Executions' share of it");
  const fixed = counter("hearth_cost_fixed_usd_total", "What the instances would have cost on fixed capacity alone");
  return (rows) => {
    for (const { accountId, functionName, subPool, heldUsd, runUsd, fixedUsd } of rows) {
      const labels = { account: accountId ?? "none", sub_pool: subPool };
      if (functionName !== undefined) run.inc(labels, runUsd);
      else {
        held.inc(labels, heldUsd);
        fixed.inc(labels, fixedUsd);
      }
    }
  };
}
