import { ControlPlane } from "../src/control/control-plane.ts";
import { DEFAULT_SETTINGS } from "../src/control/settings.ts";
import type { Offer } from "../src/model/capacity.ts";
import type { Command, Event } from "../src/model/event.ts";
import type {
  AccountId,
  ContainerId,
  FunctionKey,
  InstanceId,
  InvocationId,
  LeaseId,
  OfferId,
} from "../src/model/ids.ts";
import type { ContainerReport } from "../src/model/instance.ts";
import { quantile, rounded } from "./quantile.ts";
import { describeTarget, writeResult } from "./report.ts";

/**
 * The control core by itself, at the size of a large installation: how many placements a second it decides and how long each
 * takes, with 10,000 instances and 200,000 containers (P7), and how long it takes to wake one of 100,000 that wait.
 */

const INSTANCES = 10_000;
const CONTAINERS_PER_INSTANCE = 20;
const PLACEMENTS = process.argv.includes("--quick") ? 5_000 : 100_000;
const WAITING = 100_000;
const SHAPE = { memoryMiB: 4096, cpuMilli: 4000 };

function offer(subPool: Offer["subPool"], changes: Partial<Offer> = {}): Offer {
  return {
    id: `bench/zone/m/${subPool}` as OfferId,
    provider: "ec2",
    subPool,
    instanceType: "m",
    zone: "zone",
    shape: SHAPE,
    isElastic: false,
    capacity: undefined,
    priceUsdPerHour: 0.1,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: 120_000,
    ...changes,
  };
}

/** A core with a clock of its own, in a world that does at once whatever it is told. */
class Bench {
  readonly core = new ControlPlane({
    ...DEFAULT_SETTINGS,
    warming: { fixed: { min: 8, max: 64 }, variable: { min: 0, max: 0 } },
  });
  readonly tookUs: number[] = [];
  readonly leases: LeaseId[] = [];
  nowMs = 1_000;
  #inbox: Event[] = [];

  feed(event: Event): readonly Command[] {
    const began = performance.now();
    const commands = this.core.handle(event, this.nowMs);
    this.tookUs.push((performance.now() - began) * 1000);
    for (const command of commands) this.#perform(command);
    return commands;
  }

  /** What the world answered. */
  settle(): void {
    for (let event = this.#inbox.shift(); event !== undefined; event = this.#inbox.shift()) this.feed(event);
    while ((this.core.wakeAtMs ?? Number.POSITIVE_INFINITY) <= this.nowMs) this.feed({ kind: "Tick" });
  }

  #perform(command: Command): void {
    switch (command.kind) {
      case "RunInvocation":
        this.leases.push(command.lease.id);
        return;
      case "CreateContainer": {
        const { instanceId, containerId } = command;
        this.#inbox.push({ kind: "ContainerReady", instanceId, containerId });
        return;
      }
      case "DestroyContainer": {
        const { instanceId, containerId, reason } = command;
        this.#inbox.push({ kind: "ContainerGone", instanceId, containerId, reason });
        return;
      }
      case "LaunchInstance": {
        const { instanceId, subPool, offerId, shape } = command;
        const report = { instanceId, subPool, offerId, shape, accountId: undefined, containers: [] };
        this.#inbox.push({ kind: "InstanceJoined", report });
        return;
      }
      case "TerminateInstance":
        this.#inbox.push({ kind: "InstanceLost", instanceId: command.instanceId, reason: "terminated" });
    }
  }
}

function functionKey(account: number, index: number): FunctionKey {
  return `a${account}/f${index}` as FunctionKey;
}

/** Instances as an earlier server left them: mostly idle containers of a hundred functions an account, some blank ones. */
function furnish(bench: Bench, accounts: number): void {
  bench.feed({ kind: "OffersChanged", offers: [offer("fixed")] });
  for (let index = 0; index < INSTANCES; index++) {
    const account = index % accounts;
    const containers = Array.from({ length: CONTAINERS_PER_INSTANCE }, (_, at): ContainerReport => {
      const containerId = `c${index}-${at}` as ContainerId;
      if (at < 2) return { state: "blank", containerId, runtime: "nodejs24.x" };
      const key = functionKey(account, (index * 18 + at) % 100);
      return { state: "idle", containerId, runtime: "nodejs24.x", functionKey: key, memoryMiB: 128 };
    });
    const instanceId = `i${index}` as InstanceId;
    const accountId = `a${account}` as AccountId;
    const report = {
      instanceId,
      subPool: "fixed",
      offerId: offer("fixed").id,
      shape: SHAPE,
      accountId,
      containers,
    } as const;
    bench.feed({ kind: "InstanceJoined", report });
  }
  bench.feed({ kind: "Tick" });
  bench.settle();
}

/** Nine of ten calls find a warm container, one is of a function that was never seen and takes a blank one. */
function placements(accounts: number) {
  const bench = new Bench();
  furnish(bench, accounts);
  bench.tookUs.length = 0;
  bench.leases.length = 0;
  const arrivalsUs: number[] = [];
  const beganMs = performance.now();
  for (let n = 0; n < PLACEMENTS; n++) {
    bench.nowMs += 0.1;
    const account = n % accounts;
    const isNew = n % 10 === 0;
    const invocation = {
      id: `v${n}` as InvocationId,
      accountId: `a${account}` as AccountId,
      functionKey: isNew ? functionKey(account, 1000 + n) : functionKey(account, n % 100),
      runtime: "nodejs24.x",
      memoryMiB: 128,
      mode: "synchronous",
    } as const;
    const at = bench.tookUs.length;
    bench.feed({ kind: "InvocationArrived", invocation });
    arrivalsUs.push(bench.tookUs[at] ?? Number.NaN);
    const leaseId = bench.leases.length > 50 ? bench.leases.shift() : undefined;
    if (leaseId !== undefined) {
      bench.feed({ kind: "InvocationFinished", leaseId, outcome: "ok", containerUsable: true, wallMs: 5 });
    }
    bench.settle();
  }
  const tookMs = performance.now() - beganMs;
  const broken = bench.core.brokenInvariant();
  if (broken !== undefined) throw new Error(broken);
  return {
    accounts,
    placementsPerSecond: Math.round((PLACEMENTS / tookMs) * 1000),
    p50Us: rounded(quantile(arrivalsUs, 0.5)),
    p99Us: rounded(quantile(arrivalsUs, 0.99)),
    eventP99Us: rounded(quantile(bench.tookUs, 0.99)),
    eventMaxUs: rounded(quantile(bench.tookUs, 1)),
  };
}

const VARIABLE = offer("variable", { priceUsdPerHour: 1, capacity: { memoryMiB: 0, cpuMilli: 0 } });

/** A thousand variable functions wait for the price to fall, a hundred invocations each. @param onBegin before the first one comes. */
function waiting(onBegin = () => {}): Bench {
  const bench = new Bench();
  bench.feed({ kind: "OffersChanged", offers: [VARIABLE] });
  const constraints = [{ kind: "price", usdPerHourMax: 0.5 }] as const;
  const capacity = { class: "variable", dedicatedInstances: 0, constraints, onShortage: { kind: "wait" } } as const;
  for (let account = 0; account < 10; account++) {
    bench.feed({ kind: "AccountCapacityChanged", accountId: `a${account}` as AccountId, capacity });
  }
  bench.feed({ kind: "Tick" });
  onBegin();
  for (let n = 0; n < WAITING; n++) {
    const account = n % 10;
    const invocation = {
      id: `v${n}` as InvocationId,
      accountId: `a${account}` as AccountId,
      functionKey: functionKey(account, Math.floor(n / 10) % 100),
      runtime: "nodejs24.x",
      memoryMiB: 2048,
      mode: "synchronous",
    } as const;
    bench.feed({ kind: "InvocationArrived", invocation });
  }
  return bench;
}

/** Apart from what is timed: after a collection that nobody asked for in a server the next steps are slow. */
function bytesPerWaiting(): number {
  let heapBefore = 0;
  const bench = waiting(() => {
    heapBefore = heapBytes();
  });
  const heldBytes = heapBytes() - heapBefore;
  if (bench.leases.length > 0) throw new Error("somebody does not wait");
  return Math.round(heldBytes / WAITING);
}

/** The price falls for one instance at a time. */
function wakes() {
  const bench = waiting();
  bench.feed({ kind: "OffersChanged", offers: [{ ...VARIABLE, priceUsdPerHour: 0.4 }] });
  const wokenUs: number[] = [];
  for (let index = 0; index < 500; index++) {
    bench.nowMs += 1;
    const instanceId = `i${index}` as InstanceId;
    const blank: ContainerReport = { state: "blank", containerId: `c${index}` as ContainerId, runtime: "nodejs24.x" };
    const report = {
      instanceId,
      subPool: "variable",
      offerId: VARIABLE.id,
      shape: SHAPE,
      accountId: undefined,
    } as const;
    const at = bench.tookUs.length;
    bench.feed({ kind: "InstanceJoined", report: { ...report, containers: [blank] } });
    wokenUs.push(bench.tookUs[at] ?? Number.NaN);
    bench.settle();
  }
  if (bench.leases.length < 500) throw new Error(`${bench.leases.length} of 500 instances woke somebody`);
  return {
    waiting: WAITING,
    p50Us: rounded(quantile(wokenUs, 0.5)),
    p99Us: rounded(quantile(wokenUs, 0.99)),
  };
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const many = placements(200);
const one = placements(1);
const woken = { ...wakes(), bytesPerWaiting: bytesPerWaiting() };
console.table([many, one]);
console.table([woken]);
if (!process.argv.includes("--quick")) {
  const worst = Math.min(many.placementsPerSecond, one.placementsPerSecond);
  const result = writeResult("core", {
    figures: { instances: INSTANCES, containers: INSTANCES * CONTAINERS_PER_INSTANCE, many, one, woken },
    targets: [
      {
        id: "core.placements",
        says: "placements per second with 10,000 instances and 200,000 containers, of 200 accounts or of one",
        bound: "atLeast",
        target: 5_000,
        measured: worst,
        unit: "placements/s",
      },
      {
        id: "core.placementP99",
        says: "the same, one decision, p99",
        bound: "atMost",
        target: 1,
        measured: Math.max(many.p99Us, one.p99Us) / 1000,
        unit: "ms",
      },
      {
        id: "core.wake",
        says: "waking one of 100,000 waiting invocations, p99",
        bound: "atMost",
        target: 1,
        measured: woken.p99Us / 1000,
        unit: "ms",
      },
    ],
  });
  for (const target of result.targets) console.log(describeTarget(target));
}
