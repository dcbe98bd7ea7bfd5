import { afterEach, expect, test } from "vitest";
import type { AccountId, ContainerId, FunctionKey, InstanceId, OfferId } from "../model/ids.ts";
import { UNMEASURED } from "../model/invocation.ts";
import type { PoolsSnapshot } from "../model/snapshot.ts";
import { Metrics } from "./metrics.ts";

const NOW_MS = 1_000_000;
const counters = {
  launches: 2,
  launchFailures: 0,
  instancesLost: 0,
  instancesReclaimed: 0,
  coldStarts: 1,
  warmStarts: 1,
  prewarms: 0,
  provisionedStarts: 0,
  spillovers: 0,
  evictions: 0,
} satisfies PoolsSnapshot["counters"];

const HELD = { isFailing: false, shortMs: 0 };

let pools: PoolsSnapshot = { nowMs: NOW_MS, instances: [], waiting: { count: 0, heldCount: 0 }, counters };
const metrics = new Metrics({
  pools: () => pools,
  eventQueue: () => ({ length: 3, oldestAcceptedMs: undefined, undelivered: 2 }),
  lostLogBytes: () => 7,
  provisioned: () => [
    ["1/f/2/x" as FunctionKey, { ...HELD, count: 3, allocated: 2, available: 2, running: 1, starts: 9, spillovers: 4 }],
  ],
});
afterEach(() => {
  pools = { nowMs: NOW_MS, instances: [], waiting: { count: 0, heldCount: 0 }, counters };
});

test("counts executions by outcome and start, and init only where there was one", async () => {
  metrics.observeInvocation("ok", "warm", { ...UNMEASURED, wallUs: 400 });
  metrics.observeInvocation("ok", "cold", { ...UNMEASURED, wallUs: 9000, initUs: 5000 });
  const text = await metrics.scrape();
  expect(text).toContain('hearth_invocation_duration_seconds_bucket{le="0.0005",outcome="ok",start="warm"} 1');
  expect(text).toContain('hearth_invocation_duration_seconds_count{outcome="ok",start="cold"} 1');
  expect(text).toContain("hearth_init_duration_seconds_count 1");
});

test("counts rejections by code, from zero on", async () => {
  metrics.countRejection("QUEUE_FULL");
  metrics.countRejection("RESERVED_CONCURRENCY_LIMIT");
  metrics.countRejection("INVOCATION_RATE_LIMIT");
  metrics.countRejection("SCALING_RATE_LIMIT");
  const text = await metrics.scrape();
  expect(text).toContain('hearth_throttles_total{reason="ReservedFunctionConcurrentInvocationLimitExceeded"} 1');
  expect(text).toContain('hearth_throttles_total{reason="FunctionInvocationRateLimitExceeded"} 2');
  expect(text).toContain('hearth_throttles_total{reason="ConcurrentInvocationLimitExceeded"} 0');
  expect(text).toContain('hearth_rejections_total{code="QUEUE_FULL"} 1');
  expect(text).toContain('hearth_rejections_total{code="NO_CAPACITY"} 0');
});

test("shows what is held ready of each version, how much of it is in use, and what spilled over", async () => {
  const text = await metrics.scrape();
  const labels = 'account="1",function="f",version="2"';
  expect(text).toContain(`hearth_provisioned_containers{${labels},state="requested"} 3`);
  expect(text).toContain(`hearth_provisioned_containers{${labels},state="allocated"} 2`);
  expect(text).toContain(`hearth_provisioned_containers{${labels},state="in_use"} 1`);
  expect(text).toContain(`hearth_provisioned_starts{${labels},on="provisioned"} 9`);
  expect(text).toContain(`hearth_provisioned_starts{${labels},on="spillover"} 4`);
});

test("shows the pools of the moment of the scrape, and forgets what is gone", async () => {
  pools = {
    nowMs: NOW_MS,
    instances: [
      {
        id: "i-1" as InstanceId,
        subPool: "fixed",
        offerId: "sandbox/host/slice/on-demand" as OfferId,
        state: "active",
        accountId: "000000000000" as AccountId,
        shape: { memoryMiB: 4096, cpuMilli: 2000 },
        usedMemoryMiB: 128,
        sinceMs: 0,
        containers: [{ id: "c-1" as ContainerId, runtime: "nodejs24.x", state: "blank", memoryMiB: 128, sinceMs: 0 }],
      },
    ],
    waiting: { count: 4, heldCount: 0, oldestSinceMs: NOW_MS - 2500 },
    counters,
  };
  const text = await metrics.scrape();
  expect(text).toContain('hearth_instances{state="active",sub_pool="fixed"} 1');
  expect(text).toContain('hearth_containers{state="blank"} 1');
  expect(text).toContain("hearth_waiting_invocations 4");
  expect(text).toContain("hearth_waiting_oldest_seconds 2.5");
  expect(text).toContain("hearth_event_queue_length 3");
  expect(text).toContain("hearth_event_queue_oldest_seconds 0");
  expect(text).toContain("hearth_log_lost_bytes 7");
  expect(text).toContain('hearth_pool_events{event="launches"} 2');
  expect(text).toContain("nodejs_eventloop_lag_seconds");

  pools = { ...pools, instances: [], waiting: { count: 0, heldCount: 0 } };
  const later = await metrics.scrape();
  expect(later).toContain('hearth_instances{state="active",sub_pool="fixed"} 0');
  expect(later).toContain("hearth_waiting_oldest_seconds 0");
});
