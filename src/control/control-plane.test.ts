import { expect, test } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY, type Offer } from "../model/capacity.ts";
import type { Command } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import { Bench, GIB, hostOfGiB, warmed } from "./core-bench-fixture.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

test("the first call of a function takes a blank container and its instance; the next one is warm", () => {
  const bench = warmed();
  const [assigned, run] = bench.arrive("1");
  expect(assigned).toMatchObject({ kind: "AssignInstance", accountId: "a" });
  expect(run).toMatchObject({ kind: "RunInvocation", lease: { start: "cold" } });
  const { lease } = bench.only("RunInvocation")[0] as { lease: { id: LeaseId; containerId: ContainerId } };
  bench.finish(lease.id);
  expect(bench.arrive("2")).toMatchObject([
    { kind: "RunInvocation", lease: { start: "warm", containerId: lease.containerId } },
  ]);
});

test("a taken instance and a taken blank are replaced, the cold start going first", () => {
  const bench = warmed();
  bench.arrive("1");
  expect(bench.only("LaunchInstance")).toEqual([]);
  const refill = bench.pass(DEFAULT_SETTINGS.refillDelayMs);
  expect(bench.only("LaunchInstance", refill)).toHaveLength(1);
  expect(bench.only("CreateContainer", refill)).toHaveLength(1);
});

test("an instance never serves a second account: the other one waits for its own", () => {
  const bench = warmed();
  const first = bench.only("RunInvocation", bench.arrive("1", "a"))[0];
  const asked = bench.arrive("2", "b");
  expect(bench.only("RunInvocation", asked)).toEqual([]);
  const ran = bench.boot(asked);
  const second = bench.only("RunInvocation", ran)[0];
  expect(second?.lease.instanceId).not.toBe(first?.lease.instanceId);
});

test("with all capacity taken by idle instances of others, the longest unused one gives way", () => {
  const bench = warmed();
  const a = bench.only("RunInvocation", bench.arrive("1", "a"))[0];
  bench.boot(bench.pass(100));
  const b = bench.only("RunInvocation", bench.arrive("2", "b"))[0];
  if (a === undefined || b === undefined) throw new Error("both run");
  bench.finish(a.lease.id);
  expect(bench.arrive("3", "c")).toMatchObject([{ kind: "TerminateInstance", instanceId: a.lease.instanceId }]);
  const launched = bench.feed({ kind: "InstanceLost", instanceId: a.lease.instanceId, reason: "terminated" });
  expect(bench.only("RunInvocation", bench.boot(launched))).toMatchObject([{ lease: { invocation: { id: "3" } } }]);
});

test("memory of idle containers is given to functions that wait, least recently used first", () => {
  const bench = warmed({}, hostOfGiB(1, 1));
  const old = bench.only("RunInvocation", bench.arrive("1", "a", "old", 512))[0];
  if (old === undefined) throw new Error("it runs");
  bench.finish(old.lease.id);
  const commands = bench.arrive("2", "a", "new", 768);
  expect(bench.only("DestroyContainer", commands)).toMatchObject([{ containerId: old.lease.containerId }]);
  const { instanceId, containerId } = old.lease;
  // The next one starts while the old one goes.
  expect(bench.only("RunInvocation", bench.boot(commands))).toEqual([]);
  const ran = bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "evicted" });
  expect(bench.only("RunInvocation", ran)).toMatchObject([{ lease: { invocation: { id: "2" } } }]);
});

test("a blank container that becomes the wanted one is not given up for its room", () => {
  const bench = warmed({ blankTarget: { "nodejs24.x": 2, "nodejs22.x": 2 } }, hostOfGiB(1, 1));
  bench.boot(bench.pass(1000));
  const blanks = bench.control.snapshot(bench.nowMs).instances.flatMap(({ containers }) => containers);
  expect(blanks.map(({ runtime }) => runtime).sort()).toEqual(["nodejs22.x", "nodejs22.x", "nodejs24.x", "nodejs24.x"]);
  const commands = bench.arrive("1", "a", "f", 800);
  const gone = bench.only("DestroyContainer", commands);
  // 1,024 less what four hold leave 512; with its own 128 it lacks 160.
  expect(gone).toHaveLength(2);
  expect(bench.only("CreateContainer", commands)).toEqual([]);
  const ran = gone.flatMap(({ instanceId, containerId }) =>
    bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "evicted" }),
  );
  const [run] = bench.only("RunInvocation", ran);
  expect(blanks.find(({ id }) => id === run?.lease.containerId)?.runtime).toBe("nodejs24.x");
});

test("an instance that keeps what it was told to end gets no more work, and others get what waits for it", () => {
  const bench = warmed({}, hostOfGiB(2, 1));
  const [old] = bench.only("RunInvocation", bench.arrive("1", "a", "old", 512));
  bench.boot(bench.pass(100));
  if (old === undefined) throw new Error("it runs");
  bench.finish(old.lease.id);
  const [other] = bench.only("RunInvocation", bench.arrive("2", "a", "other", 128));
  if (other === undefined) throw new Error("it runs");
  bench.arrive("3", "b", "f", 512);
  expect(bench.only("DestroyContainer", bench.arrive("4", "a", "new", 700))).toHaveLength(1);
  expect(bench.only("TerminateInstance", bench.pass(DEFAULT_SETTINGS.leaveMsMax - 1000))).toEqual([]);
  bench.pass(2000);
  const { instances } = bench.control.snapshot(bench.nowMs);
  expect(instances.find(({ id }) => id === old.lease.instanceId)?.state).toBe("draining");
  // What runs there may end.
  expect(bench.finish(other.lease.id)).toMatchObject([
    {
      kind: "TerminateInstance",
      instanceId: old.lease.instanceId,
      reason: `its container ${old.lease.containerId} does not end`,
    },
  ]);
});

test("a queue that is full refuses who would have to wait, and not who finds a container", () => {
  const bench = warmed({ queueLengthMax: 1 });
  const first = bench.only("RunInvocation", bench.arrive("1", "a"))[0];
  if (first === undefined) throw new Error("it runs");
  bench.finish(first.lease.id);
  const held = { id: "2", accountId: "b", functionKey: "b/f", runtime: "nodejs24.x", memoryMiB: 128 };
  const deadlineMs = bench.nowMs + 86_400_000;
  bench.feed({ kind: "InvocationArrived", invocation: { ...held, mode: "asynchronous", deadlineMs } as Invocation });
  expect(bench.arrive("3", "c")).toMatchObject([{ kind: "RejectInvocation", code: "QUEUE_FULL" }]);
  expect(bench.arrive("4", "a")).toMatchObject([{ kind: "RunInvocation", lease: { start: "warm" } }]);
});

test("bounds: concurrency of an account, length of the queue, time in the queue, size of a function", () => {
  const bench = new Bench({ accountConcurrencyMax: 2, queueLengthMax: 3, waitMsMax: 5_000 });
  bench.arrive("1", "a");
  bench.arrive("2", "a");
  expect(bench.arrive("3", "a")).toMatchObject([{ kind: "RejectInvocation", code: "CONCURRENCY_LIMIT" }]);
  bench.arrive("4", "b");
  expect(bench.arrive("5", "b")).toMatchObject([{ kind: "RejectInvocation", code: "QUEUE_FULL" }]);
  expect(bench.arrive("6", "c", "f", 5 * GIB)).toMatchObject([{ kind: "RejectInvocation", code: "TOO_LARGE" }]);
  const refused = bench.only("RejectInvocation", bench.pass(6_000));
  expect(refused.map(({ code, invocation }) => [code, invocation.id])).toEqual([
    ["NO_CAPACITY", "1"],
    ["NO_CAPACITY", "2"],
    ["NO_CAPACITY", "4"],
  ]);
});

test("what runs on a lost instance is answered once, and its remains are ended", () => {
  const bench = warmed();
  const run = bench.only("RunInvocation", bench.arrive("1"))[0];
  if (run === undefined) throw new Error("it runs");
  const { instanceId, id } = run.lease;
  const commands = bench.feed({ kind: "InstanceLost", instanceId, reason: "killed" });
  expect(bench.only("RejectInvocation", commands)).toMatchObject([{ code: "INSTANCE_LOST" }]);
  expect(bench.only("TerminateInstance", commands)).toMatchObject([{ instanceId }]);
  expect(bench.only("RejectInvocation", bench.finish(id))).toEqual([]);
});

test("an instance of an earlier server is adopted with its account, its warm containers and what runs", () => {
  const bench = new Bench();
  bench.feed({
    kind: "InstanceJoined",
    report: {
      instanceId: "old" as InstanceId,
      subPool: "fixed",
      offerId: "host" as OfferId,
      shape: { memoryMiB: 2 * GIB, cpuMilli: 2000 },
      accountId: "a" as AccountId,
      containers: [
        {
          state: "idle",
          containerId: "warm" as ContainerId,
          runtime: "nodejs24.x",
          functionKey: "a/f" as FunctionKey,
          memoryMiB: 128,
        },
        {
          state: "running",
          containerId: "busy" as ContainerId,
          runtime: "nodejs24.x",
          functionKey: "a/g" as FunctionKey,
          memoryMiB: 256,
          leaseId: "old-lease" as LeaseId,
          invocationId: "before" as InvocationId,
        },
      ],
    },
  });
  expect(bench.arrive("1", "a", "f")).toMatchObject([
    { kind: "RunInvocation", lease: { start: "warm", containerId: "warm" } },
  ]);
  bench.finish("old-lease" as LeaseId);
  expect(bench.arrive("2", "a", "g", 256)).toMatchObject([
    { kind: "RunInvocation", lease: { start: "warm", containerId: "busy" } },
  ]);
});

test("idle containers are kept for a time, then destroyed, then the instance is given up", () => {
  const bench = warmed({ keepAliveMinMs: 10_000, keepAliveMaxMs: 10_000, instanceIdleMs: 20_000 }, hostOfGiB(2, 2));
  const run = bench.only("RunInvocation", bench.arrive("1"))[0];
  if (run === undefined) throw new Error("it runs");
  bench.finish(run.lease.id);
  const { instanceId, containerId } = run.lease;
  expect(bench.only("DestroyContainer", bench.boot(bench.pass(11_000)))).toMatchObject([{ containerId }]);
  bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "destroyed" });
  expect(bench.only("TerminateInstance", bench.pass(21_000))).toMatchObject([{ instanceId }]);
});

test("a container that cannot be made is tried again with pauses, and its instance is given up in the end", () => {
  const bench = new Bench({ createFailuresMax: 3 });
  let commands = bench.commands;
  let tries = 0;
  for (let i = 0; i < 20 && bench.only("TerminateInstance", commands).length === 0; i++) {
    const launch = bench.only("LaunchInstance", commands)[0];
    if (launch !== undefined) {
      const { instanceId, subPool, offerId, shape } = launch;
      commands = bench.feed({
        kind: "InstanceJoined",
        report: { instanceId, subPool, offerId, shape, accountId: undefined, containers: [] },
      });
    } else {
      const create = bench.only("CreateContainer", commands)[0];
      if (create === undefined) commands = bench.pass(10_000);
      else {
        tries++;
        const { instanceId, containerId } = create;
        commands = bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "no memory" });
      }
    }
  }
  expect(tries).toBe(3);
  expect(bench.only("TerminateInstance", commands)).toMatchObject([{ reason: "it cannot make containers" }]);
});

test("a retired function's containers go: idle ones at once, running ones when they are done", () => {
  const bench = warmed();
  const run = bench.only("RunInvocation", bench.arrive("1"))[0];
  if (run === undefined) throw new Error("it runs");
  expect(
    bench.only("DestroyContainer", bench.feed({ kind: "FunctionRetired", functionKey: "a/f" as FunctionKey })),
  ).toEqual([]);
  expect(bench.only("DestroyContainer", bench.finish(run.lease.id))).toMatchObject([
    { containerId: run.lease.containerId },
  ]);
});

test("an invocation that waited for a function's old state leaves no container of it behind", () => {
  const bench = new Bench();
  const launched = bench.commands;
  bench.arrive("1");
  bench.feed({ kind: "FunctionRetired", functionKey: "a/f" as FunctionKey });
  const run = bench.only("RunInvocation", bench.boot(launched))[0];
  if (run === undefined) throw new Error("it runs");
  const { id, containerId } = run.lease;
  expect(bench.only("DestroyContainer", bench.finish(id))).toMatchObject([{ containerId }]);
});

test("shutting down refuses what comes and what waits, and lets finish what runs", () => {
  const bench = warmed();
  const run = bench.only("RunInvocation", bench.arrive("1"))[0];
  if (run === undefined) throw new Error("it runs");
  bench.arrive("2", "b");
  expect(bench.feed({ kind: "ShutdownBegan" })).toMatchObject([{ kind: "RejectInvocation", code: "SHUTTING_DOWN" }]);
  expect(bench.arrive("3")).toMatchObject([{ kind: "RejectInvocation", code: "SHUTTING_DOWN" }]);
  expect(bench.finish(run.lease.id)).toEqual([]);
});

// Fixed and variable capacity

const A = "a" as AccountId;
const NONE_WARM = { fixed: { min: 0, max: 0 }, variable: { min: 0, max: 0 } } as const;

function spotOffer(change: Partial<Offer> = {}): Offer {
  const shape = { memoryMiB: 2 * GIB, cpuMilli: 2000 };
  const id = "ec2/z1/small/spot" as OfferId;
  const place = { provider: "ec2", subPool: "variable", instanceType: "small", zone: "z1" } as const;
  const terms = { priceUsdPerHour: 0.01, demandLevel: 0, isAvailable: true, noticeMs: 30_000 };
  return { id, ...place, shape, isElastic: false, capacity: undefined, ...terms, ...change };
}

function settle(bench: Bench, change: Partial<CapacitySettings>, account = "a"): Command[] {
  const capacity = { ...DEFAULT_CAPACITY, ...change };
  return bench.feed({ kind: "AccountCapacityChanged", accountId: account as AccountId, capacity });
}

test("each of those in a line falls back to fixed capacity at its own time", () => {
  const bench = warmed({ blankTarget: { "nodejs24.x": 2 } });
  settle(bench, { class: "variable", onShortage: { kind: "fixed", afterMs: 1000 } });
  bench.arrive("1");
  bench.pass(4);
  bench.arrive("2");
  expect(bench.only("RunInvocation", bench.pass(997))).toMatchObject([{ lease: { invocation: { id: "1" } } }]);
  expect(bench.only("RunInvocation", bench.pass(3))).toMatchObject([{ lease: { invocation: { id: "2" } } }]);
});

test("settings that let an account use what it has already wake those of it that wait", () => {
  const bench = warmed({ blankTarget: { "nodejs24.x": 2 } });
  bench.arrive("1"); // The fixed instance becomes the account's, with a second blank container.
  settle(bench, { class: "variable" });
  expect(bench.only("RunInvocation", bench.arrive("2", "a", "g"))).toEqual([]);
  expect(bench.only("RunInvocation", settle(bench, {}))).toMatchObject([{ lease: { invocation: { id: "2" } } }]);
});

test("executions lost with one instance let others of their account run on another", () => {
  const bench = warmed({ accountConcurrencyMax: 1 }, hostOfGiB(4, 2));
  const idle = bench.only("RunInvocation", bench.arrive("1", "a", "f", 1536))[0];
  if (idle === undefined) throw new Error("it runs");
  bench.finish(idle.lease.id);
  bench.boot(bench.pass(100));
  const lost = bench.only("RunInvocation", bench.arrive("2", "a", "g", 1536))[0];
  if (lost === undefined) throw new Error("it runs");
  const { invocation } = idle.lease;
  const again = { ...invocation, id: "3" as InvocationId, deadlineMs: bench.nowMs + 10_000 };
  expect(bench.only("RunInvocation", bench.feed({ kind: "InvocationArrived", invocation: again }))).toEqual([]);
  const commands = bench.feed({ kind: "InstanceLost", instanceId: lost.lease.instanceId, reason: "killed" });
  expect(bench.only("RunInvocation", commands)).toMatchObject([{ lease: { invocation: { id: "3" } } }]);
});

test("an invocation whose deadline has come is refused and not begun, and holds up nobody behind it", () => {
  const bench = new Bench();
  const launched = bench.commands;
  const invocation = {
    accountId: A,
    functionKey: "a/f" as FunctionKey,
    runtime: "nodejs24.x",
    memoryMiB: 128,
  } as const;
  for (const [id, deadlineMs] of [
    ["1", bench.nowMs + 100],
    ["2", bench.nowMs + 50_000],
  ] as const) {
    const arrived = { ...invocation, id: id as InvocationId, mode: "asynchronous", deadlineMs } as const;
    bench.feed({ kind: "InvocationArrived", invocation: arrived });
  }
  bench.nowMs += 200;
  const commands = bench.boot(launched);
  expect(bench.only("RejectInvocation", commands)).toMatchObject([
    { code: "DEADLINE_MISSED", invocation: { id: "1" } },
  ]);
  expect(bench.only("RunInvocation", commands)).toMatchObject([{ lease: { invocation: { id: "2" } } }]);
});

test("blank containers do not take the memory for which somebody waits", () => {
  const whole = { memoryMiB: GIB, cpuMilli: 1000 };
  const host: Offer = { ...hostOfGiB(1, 1), isElastic: false, shape: whole, capacity: undefined };
  const bench = new Bench({ blankTarget: { "nodejs24.x": 1, "nodejs22.x": 1 }, warming: NONE_WARM }, host);
  const launched = settle(bench, { class: "dedicated", dedicatedInstances: 1 });
  bench.arrive("1", "a", "f", GIB);
  expect(bench.only("RunInvocation", bench.boot(launched))).toMatchObject([{ lease: { invocation: { id: "1" } } }]);
  expect(bench.control.snapshot(bench.nowMs).counters.launches).toBe(1);
});

test("no more is bid for variable capacity than an account that may use it pays", () => {
  const bench = new Bench({ warming: { ...NONE_WARM, variable: { min: 1, max: 1 } } });
  settle(bench, { class: "variable", constraints: [{ kind: "zone", anyOf: ["elsewhere"] }] }, "rich");
  settle(bench, { class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.02 }] }, "poor");
  const commands = [...bench.feed({ kind: "OffersChanged", offers: [spotOffer()] }), ...bench.pass(1000)];
  expect(bench.only("LaunchInstance", commands)).toMatchObject([{ subPool: "variable", bidUsdPerHour: 0.02 }]);
});

test("an instance at risk is no account's own: another is launched in its place, and it goes", () => {
  const bench = new Bench({ warming: NONE_WARM }, hostOfGiB(8, 2));
  const [launch] = bench.only("LaunchInstance", settle(bench, { class: "dedicated", dedicatedInstances: 1 }));
  if (launch === undefined) throw new Error("it is launched");
  bench.boot([launch]);
  const commands = bench.feed({ kind: "InstanceAtRisk", instanceId: launch.instanceId, reason: "rebalance" });
  const reasons = bench.only("LaunchInstance", commands).map(({ reason }) => reason);
  expect(reasons).toContain("account a has 0 of its 1 instances");
  bench.boot(commands);
  const later = bench.only("LaunchInstance", bench.pass(5000)).map(({ reason }) => reason);
  expect(later.filter((reason) => reason.startsWith("account"))).toEqual([]);
  const ended = bench.only("TerminateInstance", bench.pass(DEFAULT_SETTINGS.instanceIdleMs + 1000));
  expect(ended.map(({ instanceId }) => instanceId)).toContain(launch.instanceId);
});

test("an account that gets an instance of its own gets blank containers of all runtimes on what it has", () => {
  const bench = new Bench({ blankTarget: { "nodejs24.x": 1, "nodejs22.x": 1 }, warming: NONE_WARM });
  const ran = bench.only("RunInvocation", bench.boot(bench.arrive("1")))[0];
  if (ran === undefined) throw new Error("it runs");
  bench.boot(bench.pass(1000));
  const made = bench.only("CreateContainer", settle(bench, { class: "dedicated", dedicatedInstances: 1 }));
  expect(made.map(({ runtime }) => runtime)).toContain("nodejs22.x");
});

test("blank containers of a runtime on demand are kept once somebody wants it", () => {
  const warming = { ...NONE_WARM, fixed: { min: 1, max: 1 } };
  const bench = new Bench({ blankTarget: { "python3.11": 1 }, blanksOnDemand: ["python3.11"], warming });
  const before = bench.boot([...bench.commands, ...bench.pass(1000)]);
  expect(bench.only("CreateContainer", before)).toEqual([]);
  const wanted = { kind: "RuntimeWanted", accountId: "a" as AccountId, runtime: "python3.11" } as const;
  const made = bench.only("CreateContainer", bench.feed(wanted));
  expect(made.map(({ runtime }) => runtime)).toEqual(["python3.11"]);
  expect(bench.only("CreateContainer", bench.feed(wanted))).toEqual([]);
});

test("an account that wants a runtime on demand gets a blank container of it where it runs already", () => {
  const target = { "nodejs24.x": 1, "python3.12": 1 };
  const bench = new Bench({ blankTarget: target, blanksOnDemand: ["python3.12"], warming: NONE_WARM });
  bench.boot(bench.arrive("1"));
  bench.boot(bench.pass(1000));
  const other = bench.feed({ kind: "RuntimeWanted", accountId: "b" as AccountId, runtime: "python3.12" });
  expect(bench.only("CreateContainer", other)).toEqual([]);
  const own = bench.feed({ kind: "RuntimeWanted", accountId: "a" as AccountId, runtime: "python3.12" });
  expect(bench.only("CreateContainer", own).map(({ runtime }) => runtime)).toEqual(["python3.12"]);
});
