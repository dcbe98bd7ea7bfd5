import { Gauge, type Registry } from "prom-client";
import type { ProvisionedState } from "../model/concurrency.ts";
import type { FunctionKey } from "../model/ids.ts";

/** What is held ready, read at each scrape. */
export type ProvisionedMetricsInput = () => Iterable<readonly [FunctionKey, ProvisionedState]>;

/** Versions that have series of their own; all others are added up as `other`. */
const VERSIONS_LABELLED_MAX = 100;
const OTHER = { account: "other", function: "other", version: "other" };

/** Registers the figures of provisioned concurrency: utilisation is `in_use` by `allocated`. */
export function registerProvisioned(registry: Registry, input: ProvisionedMetricsInput): void {
  const registers = [registry];
  const labelNames = ["account", "function", "version"];
  // Read first at a scrape, as it is registered first; it fills in the other.
  const containers: Gauge<string> = new Gauge({
    name: "hearth_provisioned_containers",
    help: "Provisioned concurrency of function versions: requested, allocated, available (initialised), in use",
    labelNames: [...labelNames, "state"],
    registers,
    collect: () => collect([...input()]),
  });
  const starts = new Gauge({
    name: "hearth_provisioned_starts",
    help: "Executions of versions with provisioned concurrency since it was asked for: in a provisioned container, or spilled over",
    labelNames: [...labelNames, "on"],
    registers,
  });

  function collect(all: readonly (readonly [FunctionKey, ProvisionedState])[]): void {
    containers.reset();
    starts.reset();
    for (const [index, [functionKey, state]] of all.entries()) {
      const labels = index < VERSIONS_LABELLED_MAX ? labelsOf(functionKey) : OTHER;
      containers.inc({ ...labels, state: "requested" }, state.count);
      containers.inc({ ...labels, state: "allocated" }, state.allocated);
      containers.inc({ ...labels, state: "available" }, state.available);
      containers.inc({ ...labels, state: "in_use" }, state.running);
      starts.inc({ ...labels, on: "provisioned" }, state.starts);
      starts.inc({ ...labels, on: "spillover" }, state.spillovers);
    }
  }
}

function labelsOf(functionKey: FunctionKey): typeof OTHER {
  const [account = "", name = "", version = ""] = functionKey.split("/");
  return { account, function: name, version };
}
