import { Counter, Gauge, type Registry } from "prom-client";
import type { AccountId } from "../model/ids.ts";
import type { Invocation, Outcome, Usage } from "../model/invocation.ts";
import type { SizeStory } from "../model/size-story.ts";
import { partsOfSizingKey, type SizingDecision, type SizingKey } from "../model/sizing.ts";

/** Functions that have series of their own, the first that are heard of; all others are added up as `other`. */
export const FUNCTIONS_LABELLED_MAX = 100;
/** Function versions that one turn of the event loop looks at. */
const VERSIONS_PER_TURN = 500;
const BYTES_PER_MIB = 2 ** 20;
const OTHER = { account: "other", function: "other" };
const ROLLBACKS: readonly SizingDecision["condition"][] = ["outOfMemory", "rescued", "pressure", "worse"];

/** What the figures of sizes are read from at each scrape. */
export type SizingMetricsInput = {
  /** The one used longest ago first. */
  keys(): readonly SizingKey[];
  storyOf(key: SizingKey): SizeStory | undefined;
};

/** Told of what happens as it happens. */
export type SizingCounts = {
  countDecision(key: SizingKey, decision: SizingDecision): void;
  countExecution(invocation: Invocation, outcome: Outcome, usage: Usage | undefined): void;
};

type Labels = { readonly account: string; readonly function: string };

/** Keeps the number of series bounded, and a function's series the same until the server ends. */
class FunctionLabels {
  readonly #labels = new Map<string, Labels>();

  of(accountId: AccountId, functionName: string): Labels {
    const name = `${accountId}/${functionName}`;
    const known = this.#labels.get(name);
    if (known !== undefined) return known;
    if (this.#labels.size >= FUNCTIONS_LABELLED_MAX) return OTHER;
    const labels = { account: accountId, function: functionName };
    this.#labels.set(name, labels);
    return labels;
  }
}

/** Registers the figures of sizes. Gauges are of one container of each version, added up. */
export function registerSizing(registry: Registry, input: SizingMetricsInput): SizingCounts {
  const labels = new FunctionLabels();
  const labelNames = ["account", "function"];
  const registers = [registry];
  let collecting: Promise<void> | undefined;
  // All of them are of one collection, also where several scrape at once.
  const collect = () => {
    collecting ??= collectAll().finally(() => {
      collecting = undefined;
    });
    return collecting;
  };
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers, collect });
  const counter = (name: string, help: string, more: readonly string[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames, ...more], registers });

  const requested = gauge("hearth_function_memory_requested_bytes", "Memory that functions' settings state");
  const limit = gauge("hearth_function_memory_limit_bytes", "Memory that the next container may use");
  const reserved = gauge("hearth_function_memory_reserved_bytes", "Memory that an instance is packed by");
  const needed = gauge("hearth_function_memory_needed_bytes", "The limit that would be enough, as far as was learned");
  const peak = gauge("hearth_function_memory_peak_bytes", "The most that an execution took lately");
  const usual = gauge("hearth_function_memory_usual_bytes", "What half of the executions stay below");

  const kills = counter("hearth_function_out_of_memory_total", "Executions that were killed at their memory limit");
  const rescues = counter("hearth_function_rescues_total", "Executions that were saved by raising their limit");
  const rollbacks = counter(
    "hearth_sizing_rollbacks_total",
    "Decisions about sizes that were taken back or grown out of",
  );
  const decisions = counter("hearth_sizing_decisions_total", "Decisions about sizes, by what made for them", [
    "condition",
  ]);

  async function collectAll(): Promise<void> {
    const sums = new Map<Gauge<string>, Map<Labels, number>>();
    for (const each of [requested, limit, reserved, needed, peak, usual]) sums.set(each, new Map());
    const add = (to: Gauge<string>, of: Labels, memoryMiB: number) => {
      const byLabels = sums.get(to) as Map<Labels, number>;
      byLabels.set(of, (byLabels.get(of) ?? 0) + memoryMiB * BYTES_PER_MIB);
    };
    const all = input.keys();
    for (let i = 0; i < all.length; i += VERSIONS_PER_TURN) {
      if (i > 0) await new Promise((resolve) => setImmediate(resolve));
      for (const key of all.slice(i, i + VERSIONS_PER_TURN)) addStory(key, input.storyOf(key), add);
    }
    for (const [each, byLabels] of sums) {
      each.reset();
      for (const [of, bytes] of byLabels) each.set(of, bytes);
    }
  }

  function addStory(
    key: SizingKey,
    story: SizeStory | undefined,
    add: (to: Gauge<string>, of: Labels, memoryMiB: number) => void,
  ): void {
    if (story === undefined) return; // Forgotten since.
    const { accountId, functionName } = partsOfSizingKey(key);
    const of = labels.of(accountId, functionName);
    add(requested, of, story.requested.memoryMiB);
    add(limit, of, story.effective.memoryMiB);
    add(reserved, of, story.reservationMiB);
    add(needed, of, story.learned.memoryMiB);
    const { peaks } = story.evidence;
    if (peaks === undefined) return;
    add(peak, of, peaks.maxMiB);
    add(usual, of, peaks.p50MiB);
  }

  return {
    countDecision(key, { condition }) {
      const { accountId, functionName } = partsOfSizingKey(key);
      const of = labels.of(accountId, functionName);
      decisions.inc({ ...of, condition });
      if (ROLLBACKS.includes(condition)) rollbacks.inc(of);
    },
    countExecution({ sized }, outcome, usage) {
      const isKilled = outcome === "outOfMemory";
      const rescued = usage?.rescues ?? 0;
      if (sized === undefined || (!isKilled && rescued === 0)) return;
      const of = labels.of(sized.accountId, sized.functionName);
      if (isKilled) kills.inc(of);
      if (rescued > 0) rescues.inc(of);
    },
  };
}
