import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CostRow } from "../model/cost.ts";
import { ERROR_CODES, type ErrorCode } from "../model/error-code.ts";
import { type Lease, OUTCOMES, type Outcome, type Usage } from "../model/invocation.ts";
import { CONTAINER_STATES, INSTANCE_STATES, type PoolsSnapshot } from "../model/snapshot.ts";
import { throttleReasonOf } from "../model/throttle-reason.ts";
import type { MetricsSource } from "../ports/admin.ts";
import type { SpanCounts } from "../ports/invocation-tracer.ts";
import { type CapacityMetricsInput, registerCapacity } from "./capacity-metrics.ts";
import { type ProvisionedMetricsInput, registerProvisioned } from "./provisioned-metrics.ts";
import { registerSizing, type SizingCounts, type SizingMetricsInput } from "./sizing-metrics.ts";
import { registerSpans } from "./span-metrics.ts";

type Start = Lease["start"];
type Durations = Readonly<Record<Start, Readonly<Record<Outcome, Histogram.Internal<string>>>>>;
type Rejections = Readonly<Record<ErrorCode, Counter.Internal>>;
type Throttles = Readonly<Partial<Record<ErrorCode, Counter.Internal>>>;

const STARTS = ["warm", "cold"] as const satisfies readonly Start[];

/** From a fifth of a millisecond, a warm no-op, to Lambda's longest timeout. */
const DURATION_BUCKETS_S = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 900];
const INIT_BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** How often the event loop's lag is looked at; each look wakes an idle server. */
const EVENT_LOOP_SAMPLE_MS = 50;

/** What is read at each scrape instead of being counted along. */
export type MetricsInput = {
  pools(): PoolsSnapshot;
  /** Accepted asynchronous invocations without a final outcome, and when the oldest was accepted. */
  eventQueue(): {
    readonly length: number;
    readonly oldestAcceptedMs: number | undefined;
    /** Events that ended and of which a destination is still to be told. */
    readonly undelivered: number;
  };
  lostLogBytes(): number;
  /** Offers, what is waited for, and costs; absent: they are not shown. */
  readonly capacity?: Omit<CapacityMetricsInput, "pools">;
  /** What was learned of sizes; absent: it is not shown. */
  readonly sizing?: SizingMetricsInput;
  /** What is held ready; absent: it is not shown. */
  readonly provisioned?: ProvisionedMetricsInput;
  /** What became of recorded spans; absent: none are recorded. */
  spans?(): SpanCounts;
};

/**
 * The server's figures for Prometheus. What lies on the invocation path is counted by children
 * that are bound to their labels beforehand: looking labels up would cost more than counting.
 */
export class Metrics implements MetricsSource {
  readonly #registry = new Registry();
  readonly #durations: Durations;
  readonly #inits: Histogram;
  readonly #waits: Histogram;
  readonly #rejections: Rejections;
  readonly #throttles: Throttles;
  readonly #countCosts: (rows: readonly CostRow[]) => void;
  /** undefined: they are not shown. */
  readonly sizes: SizingCounts | undefined;

  constructor(input: MetricsInput) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
    const durations = new Histogram({
      name: "hearth_invocation_duration_seconds",
      help: "Wall time of executions, by outcome and kind of start",
      labelNames: ["outcome", "start"],
      buckets: DURATION_BUCKETS_S,
      registers,
    });
    const bound = (start: Start) =>
      Object.fromEntries(OUTCOMES.map((outcome) => [outcome, durations.labels(outcome, start)]));
    this.#durations = Object.fromEntries(STARTS.map((start) => [start, bound(start)])) as Durations;
    this.#inits = new Histogram({
      name: "hearth_init_duration_seconds",
      help: "Module evaluation on cold starts",
      buckets: INIT_BUCKETS_S,
      registers,
    });
    this.#waits = new Histogram({
      name: "hearth_waiting_seconds",
      help: "Time from arrival to execution of invocations that found no room at once",
      buckets: DURATION_BUCKETS_S,
      registers,
    });
    const rejections = new Counter({
      name: "hearth_rejections_total",
      help: "Invocations answered with an error of Hearth's own, by code",
      labelNames: ["code"],
      registers,
    });
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    // A rate over a counter is right from its first event on only if the counter began at zero.
    for (const code of codes) rejections.inc({ code }, 0);
    this.#rejections = Object.fromEntries(codes.map((code) => [code, rejections.labels(code)])) as Rejections;
    this.#throttles = registerThrottles(this.#registry);
    registerPools(this.#registry, input);
    registerEventQueue(this.#registry, input);
    const { pools, capacity, sizing, provisioned } = input;
    if (input.spans !== undefined) registerSpans(this.#registry, input.spans);
    if (provisioned !== undefined) registerProvisioned(this.#registry, provisioned);
    this.sizes = sizing === undefined ? undefined : registerSizing(this.#registry, sizing);
    this.#countCosts = capacity === undefined ? () => {} : registerCapacity(this.#registry, { pools, ...capacity });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  observeInvocation(outcome: Outcome, start: Start, usage: Usage): void {
    this.#durations[start][outcome].observe(usage.wallUs / 1e6);
    if (usage.initUs !== undefined) this.#inits.observe(usage.initUs / 1e6);
  }

  /** Only for invocations that really waited. */
  observeWait(waitMs: number): void {
    this.#waits.observe(waitMs / 1000);
  }

  /** Each row once. */
  countCosts(rows: readonly CostRow[]): void {
    this.#countCosts(rows);
  }

  countRejection(code: ErrorCode): void {
    this.#rejections[code].inc();
    this.#throttles[code]?.inc();
  }

  scrape(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** Codes that Lambda has one reason for are counted together. */
function registerThrottles(registry: Registry): Throttles {
  const throttles = new Counter({
    name: "hearth_throttles_total",
    help: "Invocations refused at a limit of concurrency or of a rate, by Lambda's reason",
    labelNames: ["reason"],
    registers: [registry],
  });
  const bound: Partial<Record<ErrorCode, Counter.Internal>> = {};
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const reason = throttleReasonOf(code);
    if (reason === undefined) continue;
    throttles.inc({ reason }, 0);
    bound[code] = throttles.labels(reason);
  }
  return bound;
}

/** One look at the pools gives all their figures, so that a scrape never adds up two moments. */
function registerPools(registry: Registry, input: MetricsInput): void {
  const registers = [registry];
  // Read first at a scrape, as it is registered first; it fills in the others.
  const instances: Gauge<string> = new Gauge({
    name: "hearth_instances",
    help: "Instances by state and sub-pool",
    labelNames: ["state", "sub_pool"],
    registers,
    collect: () => collectPools(input.pools()),
  });
  const containers = new Gauge({
    name: "hearth_containers",
    help: "Containers by state",
    labelNames: ["state"],
    registers,
  });
  const waiting = new Gauge({
    name: "hearth_waiting_invocations",
    help: "Invocations that wait for capacity now",
    registers,
  });
  const waitingAge = new Gauge({
    name: "hearth_waiting_oldest_seconds",
    help: "For how long the oldest of them has waited",
    registers,
  });
  const events = new Gauge({
    name: "hearth_pool_events",
    help: "What happened to the pools since the start",
    labelNames: ["event"],
    registers,
  });

  function collectPools(pools: PoolsSnapshot): void {
    instances.reset();
    containers.reset();
    for (const state of INSTANCE_STATES) {
      for (const subPool of ["fixed", "variable"]) instances.set({ state, sub_pool: subPool }, 0);
    }
    for (const state of CONTAINER_STATES) containers.set({ state }, 0);
    for (const instance of pools.instances) {
      instances.inc({ state: instance.state, sub_pool: instance.subPool });
      for (const container of instance.containers) containers.inc({ state: container.state });
    }
    waiting.set(pools.waiting.count);
    waitingAge.set(ageS(pools.waiting.oldestSinceMs, pools.nowMs));
    for (const [event, count] of Object.entries(pools.counters)) events.set({ event }, count);
  }
}

function registerEventQueue(registry: Registry, input: MetricsInput): void {
  const registers = [registry];
  const age = new Gauge({
    name: "hearth_event_queue_oldest_seconds",
    help: "Age of the oldest asynchronous invocation without a final outcome",
    registers,
  });
  const undelivered = new Gauge({
    name: "hearth_event_outcomes_undelivered",
    help: "Asynchronous invocations that ended and of which a destination is still to be told",
    registers,
  });
  const length: Gauge = new Gauge({
    name: "hearth_event_queue_length",
    help: "Accepted asynchronous invocations without a final outcome",
    registers,
    collect: () => {
      const queue = input.eventQueue();
      length.set(queue.length);
      age.set(ageS(queue.oldestAcceptedMs, Date.now()));
      undelivered.set(queue.undelivered);
    },
  });
  const lost: Gauge = new Gauge({
    name: "hearth_log_lost_bytes",
    help: "Bytes of the functions' logs that could not be kept, since the start",
    registers,
    collect: () => lost.set(input.lostLogBytes()),
  });
}

function ageS(sinceMs: number | undefined, nowMs: number): number {
  return sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs) / 1000;
}
