import { expect, test } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY, type Offer } from "../model/capacity.ts";
import type { Command } from "../model/event.ts";
import type { SizedVersion } from "../model/grant.ts";
import type { AccountId, OfferId } from "../model/ids.ts";
import { type Lease, UNMEASURED, type Usage } from "../model/invocation.ts";
import { type SizingSettings, sizingKeyOf } from "../model/sizing.ts";
import { Bench, GIB, hostOfGiB, warmed } from "./core-bench-fixture.ts";
import type { Settings } from "./settings.ts";

const MIB = 2 ** 20;
const ACCOUNT = "a" as AccountId;

function sizedOf(memoryMiB: number, code = "1"): SizedVersion {
  const key = sizingKeyOf(ACCOUNT, "f", `$LATEST@${code}`, "x86_64");
  return { key, accountId: ACCOUNT, functionName: "f", memoryMiB };
}

function usageOf(peakMiB: number, more: Partial<Usage> = {}): Usage {
  return { ...UNMEASURED, wallUs: 10_000, cpuUs: 5000, throttledUs: 0, memoryPeakBytes: peakMiB * MIB, ...more };
}

/** A bench whose account says something of sizes. */
function sizedBench(said: Partial<SizingSettings>, settings: Partial<Settings> = {}, host?: Offer): Bench {
  const bench = warmed(settings, host);
  bench.feed({ kind: "SizingConfigured", scope: { kind: "account", accountId: ACCOUNT }, settings: said });
  return bench;
}

function call(bench: Bench, id: string, memoryMiB: number): Command[] {
  return bench.arrive(id, "a", "f", memoryMiB, { sized: sizedOf(memoryMiB) });
}

function leaseIn(bench: Bench, commands = bench.commands) {
  const [run] = bench.only("RunInvocation", commands);
  if (run === undefined) throw new Error(`nothing runs: ${JSON.stringify(commands)}`);
  return run.lease;
}

/** Its last execution ends, and it is replaced by a blank one. */
function endContainer(bench: Bench, { id, instanceId, containerId }: Lease): void {
  bench.finish(id, false, { usage: usageOf(90) });
  bench.boot(bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "" }));
  bench.boot(bench.pass(1000));
}

/** So many executions after one another, in one container. */
function learn(bench: Bench, count: number, memoryMiB: number, peakMiB: number): void {
  for (let i = 0; i < count; i++) {
    call(bench, `learn-${bench.nowMs}-${i}`, memoryMiB);
    bench.finish(leaseIn(bench).id, true, { usage: usageOf(peakMiB + (i % 3)) });
  }
}

test("in soft mode a new container keeps the limit that was requested, and its instance reserves what was learned", () => {
  const bench = sizedBench({ limits: "soft" });
  call(bench, "first", 1024);
  expect(leaseIn(bench).grant).toMatchObject({ memoryMiB: 1024, reservedMiB: 1024 });
  bench.finish(leaseIn(bench).id, true, { usage: usageOf(90) });
  learn(bench, 30, 1024, 90);
  // The warm container keeps what it has; a second one at the same time is new.
  call(bench, "warm", 1024);
  expect(leaseIn(bench).grant).toMatchObject({ memoryMiB: 1024, reservedMiB: 1024 });
  bench.boot(bench.pass(1000));
  call(bench, "cold", 1024);
  const { grant, invocation } = leaseIn(bench);
  expect(grant?.memoryMiB).toBe(1024);
  expect(grant?.reservedMiB).toBeLessThan(130);
  expect(grant?.reservedMiB).toBeGreaterThan(90);
  expect(grant?.needMiB).toBeGreaterThanOrEqual(92);
  expect(grant?.why).toMatch(/mean of \d+ peaks/);
  expect(invocation.memoryMiB).toBe(1024);
});

test("with hard limits a new container has just what was learned", () => {
  const bench = sizedBench({ limits: "hard", cpu: "apart" });
  learn(bench, 60, 1024, 90);
  // One in ten is on trial; seven executions there prove it.
  for (let i = 0; i < 10; i++) {
    call(bench, `hold-${i}`, 1024);
    const lease = leaseIn(bench);
    endContainer(bench, lease);
  }
  const limits = Array.from({ length: 30 }, (_, i) => {
    call(bench, `new-${i}`, 1024);
    const lease = leaseIn(bench);
    endContainer(bench, lease);
    return lease.grant?.memoryMiB ?? 0;
  });
  expect(Math.min(...limits)).toBeLessThan(200);
  expect(Math.min(...limits)).toBeGreaterThan(92);
});

test("off, suggested and stopped, everybody gets what he states", () => {
  for (const mode of ["off", "suggest", "auto"] as const) {
    const bench = sizedBench({ mode });
    if (mode === "auto") bench.feed({ kind: "SizingStopped", isStopped: true });
    learn(bench, 40, 1024, 90);
    call(bench, "warm", 1024);
    bench.boot(bench.pass(1000));
    call(bench, "cold", 1024);
    expect(leaseIn(bench).grant).toMatchObject({ memoryMiB: 1024, reservedMiB: 1024, rescueMemoryMiB: 1024 });
  }
});

test("a shrink releases whoever waits for variable capacity", () => {
  const spare: Offer = {
    ...hostOfGiB(2, 2),
    id: "harvest/host/spare" as OfferId,
    provider: "harvest",
    subPool: "variable",
    priceUsdPerHour: 0.01,
    noticeMs: 30_000,
  };
  const capacity: CapacitySettings = {
    ...DEFAULT_CAPACITY,
    class: "variable",
    constraints: [{ kind: "price", usdPerHourMax: 0.02 }],
    onShortage: { kind: "wait" },
  };
  const bench = new Bench({ warming: { fixed: { min: 1, max: 1 }, variable: { min: 1, max: 1 } } });
  bench.boot(bench.commands);
  bench.boot(bench.feed({ kind: "AccountCapacityChanged", accountId: ACCOUNT, capacity }));
  bench.boot(bench.feed({ kind: "OffersChanged", offers: [spare] }));
  bench.boot(bench.pass(2000));
  // One of 1,200 MiB and a blank container are all that the one variable instance holds.
  learn(bench, 19, 1200, 60);
  bench.boot(bench.pass(1000));
  call(bench, "20", 1200);
  const { id, instanceId } = leaseIn(bench);
  expect(bench.only("RunInvocation", call(bench, "waits 1", 1200))).toEqual([]);
  expect(bench.only("RunInvocation", call(bench, "waits 2", 1200))).toEqual([]);
  expect(bench.only("RunInvocation", bench.boot(bench.pass(5000)))).toEqual([]);
  expect(bench.control.waiting(ACCOUNT, 10)).toHaveLength(2);
  // The twentieth execution is the threshold: one takes its container, and now there is room for the other beside it.
  const runs = bench.only("RunInvocation", bench.finish(id, true, { usage: usageOf(60) }));
  expect(runs.map(({ lease }) => lease.start).sort()).toEqual(["cold", "warm"]);
  const cold = runs.find(({ lease }) => lease.start === "cold")?.lease;
  expect(cold).toMatchObject({ instanceId, grant: { memoryMiB: 1200 }, placement: { subPool: "variable" } });
  expect(cold?.grant?.reservedMiB).toBeLessThan(100);
});

test("a limit that was raised live counts, and the next containers get more from the start", () => {
  const bench = sizedBench({ limits: "soft" });
  call(bench, "1", 128);
  const { id, instanceId, containerId, grant } = leaseIn(bench);
  expect(grant).toMatchObject({ memoryMiB: 128, rescueMemoryMiB: 256 });
  bench.feed({ kind: "ContainerResized", instanceId, containerId, memoryMiB: 192 });
  const held = () => bench.control.snapshot(bench.nowMs).instances.flatMap(({ containers }) => containers);
  expect(held().find((each) => each.id === containerId)).toMatchObject({ memoryMiB: 192 });
  bench.finish(id, false, { usage: usageOf(170, { rescues: 1, memoryLimitMiB: 192 }) });
  bench.boot(bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "" }));
  bench.boot(bench.pass(1000));
  call(bench, "2", 128);
  expect(leaseIn(bench).grant?.memoryMiB).toBeGreaterThan(170);
  expect(bench.control.sizing.decisionsOf(sizedOf(128).key).at(-1)).toMatchObject({ condition: "rescued" });
});

test("an instance whose memory is really nearly used up takes nothing new, gives up what is idle, and comes back", () => {
  const bench = sizedBench({}, { blankTarget: { "nodejs24.x": 2 } }, hostOfGiB(2, 2));
  call(bench, "1", 256);
  const running = leaseIn(bench);
  call(bench, "2", 256);
  const idle = leaseIn(bench);
  bench.finish(idle.id, true, { usage: usageOf(200) });
  bench.boot(bench.pass(1000));
  const { instanceId } = running;
  const commands = bench.feed({ kind: "InstancePressure", instanceId, memoryUsedMiB: 1.9 * GIB });
  expect(bench.only("DestroyContainer", commands).map(({ containerId }) => containerId)).toContain(idle.containerId);
  for (const { containerId } of bench.only("DestroyContainer", commands)) {
    bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "" });
  }
  expect(bench.only("RunInvocation", call(bench, "3", 256))).toEqual([]);
  bench.boot(bench.pass(5000));
  expect(bench.only("RunInvocation", bench.commands)).toEqual([]);
  const relieved = bench.boot(bench.feed({ kind: "InstancePressure", instanceId, memoryUsedMiB: 1.2 * GIB }));
  expect(bench.only("RunInvocation", [...relieved, ...bench.boot(bench.pass(2000))])).toHaveLength(1);
});
