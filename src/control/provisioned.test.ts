import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_CAPACITY } from "../model/capacity.ts";
import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { Command } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, LeaseId } from "../model/ids.ts";
import { Bench, GIB, hostOfGiB, warmed } from "./core-bench-fixture.ts";

const A = "a" as AccountId;
const KEY = "a/f/1/x" as FunctionKey;

function provision(
  bench: Bench,
  count: number,
  more: Partial<ConcurrencySettings["provisioned"][number]> = {},
): Command[] {
  const version = { functionKey: KEY, runtime: "nodejs24.x", memoryMiB: 128, count, ...more } as const;
  const settings = { reserved: undefined, provisioned: count === 0 ? [] : [version] };
  return bench.feed({ kind: "ConcurrencyConfigured", accountId: A, functionName: "f", settings });
}

/** Boots what was asked for, makes its containers and loads what is to be loaded. @returns the other commands. */
function carryOut(bench: Bench, commands: readonly Command[]): Command[] {
  const rest: Command[] = [];
  for (const command of bench.boot(commands)) {
    const { kind } = command;
    if (kind === "PrewarmContainer") {
      const { instanceId, containerId } = command;
      rest.push(...carryOut(bench, bench.feed({ kind: "ContainerPrewarmed", instanceId, containerId })));
    } else if (kind === "DestroyContainer") {
      const { instanceId, containerId } = command;
      rest.push(command);
      rest.push(...carryOut(bench, bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "as asked" })));
    } else if (kind === "TerminateInstance") {
      rest.push(command);
      rest.push(
        ...carryOut(bench, bench.feed({ kind: "InstanceLost", instanceId: command.instanceId, reason: "ended" })),
      );
    } else rest.push(command);
  }
  return rest;
}

const stateOf = (bench: Bench, key = KEY) => bench.control.provisionedState(key);
const held = (bench: Bench) =>
  bench.control
    .snapshot(bench.nowMs)
    .instances.flatMap(({ id, containers }) => containers.map((container) => ({ ...container, instanceId: id })))
    .filter(({ isProvisioned }) => isProvisioned === true);

function call(bench: Bench, id: string) {
  const run = bench.only("RunInvocation", carryOut(bench, bench.arrive(id, "a", "f/1/x")))[0];
  if (run === undefined) throw new Error("it does not run");
  return run.lease;
}

/** An account's instance of 1 GiB with two blank containers of 256 MiB, a call that took less than one, and no more room elsewhere. */
function crowded(): Bench {
  const bench = warmed(
    {
      blankMemoryMiB: 256,
      blankTarget: { "nodejs24.x": 2 },
      warming: { fixed: { min: 1, max: 1 }, variable: { min: 0, max: 0 } },
    },
    hostOfGiB(2, 1),
  );
  bench.boot(bench.pass(100));
  expect(bench.only("RunInvocation", bench.arrive("1", "a", "g"))).toHaveLength(1);
  bench.boot(bench.pass(100).filter(({ kind }) => kind === "CreateContainer"));
  return bench;
}

describe("what a placement leaves of a blank container", () => {
  test("wakes who waits, if the placement was what is held ready", () => {
    const bench = crowded();
    expect(bench.only("RunInvocation", bench.arrive("waits", "a", "w", 700))).toEqual([]);
    provision(bench, 1);
    expect(bench.only("PrewarmContainer")).toHaveLength(1);
    expect(bench.only("RunInvocation")).toMatchObject([{ lease: { invocation: { id: "waits" } } }]);
  });

  test("is used for what is to be held ready, if the placement was a call that had waited", () => {
    const bench = crowded();
    provision(bench, 1, { memoryMiB: 700 });
    expect(bench.only("PrewarmContainer")).toEqual([]);
    bench.arrive("later", "a", "d", 128, { deadlineMs: bench.nowMs + 20_000, mode: "asynchronous" });
    expect(bench.only("RunInvocation")).toHaveLength(1);
    expect(bench.only("PrewarmContainer")).toHaveLength(1);
  });
});

describe("provisioned concurrency", () => {
  test("is loaded before any call, which then is warm; what is above it spills over", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    carryOut(bench, provision(bench, 2));
    expect(stateOf(bench)).toMatchObject({ count: 2, allocated: 2, available: 2, running: 0 });
    const leases = [call(bench, "1"), call(bench, "2"), call(bench, "3")];
    expect(leases.map(({ start }) => start)).toEqual(["warm", "warm", "cold"]);
    expect(leases[0]?.placement.why).toBe("a provisioned container of the function was idle");
    expect(stateOf(bench)).toMatchObject({ available: 2, running: 2, starts: 2, spillovers: 1 });
    for (const { id } of leases) bench.finish(id);
    // The one that spilled over was used last, and is used last.
    expect(call(bench, "4").placement.why).toMatch(/provisioned/);
  });

  test("is on fixed capacity, also for an account of variable capacity", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    const capacity = { ...DEFAULT_CAPACITY, class: "variable" } as const;
    bench.feed({ kind: "AccountCapacityChanged", accountId: A, capacity });
    carryOut(bench, provision(bench, 1));
    expect(held(bench)).toHaveLength(1);
  });

  test("is not let go by keep-alive, for room or with its instance, and what is not provisioned is", () => {
    const bench = warmed({ keepAliveMinMs: 1_000, keepAliveMaxMs: 1_000, instanceIdleMs: 1_000 }, hostOfGiB(1, 1));
    carryOut(bench, provision(bench, 1, { memoryMiB: 256 }));
    bench.finish(call(bench, "1").id);
    const other = bench.only("RunInvocation", carryOut(bench, bench.arrive("2", "a", "g", 512)))[0];
    bench.finish(other?.lease.id as LeaseId);
    // Room for another function: the idle one goes, the provisioned one stays.
    const commands = carryOut(bench, bench.arrive("3", "a", "h", 512));
    expect(bench.only("DestroyContainer", commands)).toMatchObject([{ containerId: other?.lease.containerId }]);
    expect(bench.only("RunInvocation", commands)).toHaveLength(1);
    carryOut(bench, bench.arrive("4", "b", "f")); // Another account finds no instance to take.
    carryOut(bench, bench.pass(600_000));
    expect(stateOf(bench)).toMatchObject({ available: 1 });
  });

  test("is made anew when one ends, elsewhere when its instance may go", () => {
    const bench = warmed({}, hostOfGiB(8, 4));
    carryOut(bench, provision(bench, 1));
    const [first] = held(bench);
    if (first === undefined) throw new Error("it is held");
    const { instanceId, id: containerId } = first;
    carryOut(bench, bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "it died" }));
    carryOut(bench, bench.pass(1_000));
    expect(stateOf(bench)).toMatchObject({ available: 1 });
    carryOut(bench, bench.feed({ kind: "InstanceAtRisk", instanceId, reason: "rebalance" }));
    carryOut(bench, bench.pass(1_000));
    expect(held(bench).map((each) => each.instanceId === instanceId)).toEqual([false]);
    const [second] = held(bench);
    carryOut(
      bench,
      bench.feed({ kind: "InstanceLost", instanceId: second?.instanceId as InstanceId, reason: "killed" }),
    );
    carryOut(bench, bench.pass(70_000));
    expect(stateOf(bench)).toMatchObject({ available: 1 });
  });

  test("moves when its alias does: the new version is loaded, the old one stays as any other", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    carryOut(bench, provision(bench, 1));
    const next = "a/f/2/y" as FunctionKey;
    carryOut(bench, provision(bench, 1, { functionKey: next }));
    expect(stateOf(bench)).toBeUndefined();
    expect(stateOf(bench, next)).toMatchObject({ available: 1 });
    expect(held(bench)).toMatchObject([{ functionKey: next }]);
    // Back again: what was loaded for it is still there.
    expect(bench.only("PrewarmContainer", provision(bench, 1))).toEqual([]);
    expect(stateOf(bench)).toMatchObject({ available: 1 });
    provision(bench, 0);
    expect(held(bench)).toEqual([]);
  });

  test("of a deleted version nothing stays", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    carryOut(bench, provision(bench, 2));
    const commands = carryOut(bench, bench.feed({ kind: "FunctionRetired", functionKey: KEY }));
    expect(bench.only("DestroyContainer", commands)).toHaveLength(2);
    carryOut(bench, bench.pass(60_000));
    expect(held(bench)).toEqual([]);
  });

  test("what cannot be loaded is tried with pauses, one at a time, and said to fail until it can", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    const fail = (commands: readonly Command[]): number => {
      let failed = 0;
      for (const command of bench.boot(commands)) {
        if (command.kind !== "PrewarmContainer") continue;
        const { instanceId, containerId } = command;
        failed += 1 + fail(bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "init failed" }));
      }
      return failed;
    };
    let attempts = fail(provision(bench, 2));
    for (let second = 0; second < 60; second++) attempts += fail(bench.pass(1_000));
    expect(attempts).toBeGreaterThan(3);
    expect(attempts).toBeLessThan(15);
    expect(stateOf(bench)).toMatchObject({ allocated: 0, isFailing: true });
    carryOut(bench, bench.pass(20_000));
    expect(stateOf(bench)).toMatchObject({ available: 2, isFailing: false });
  });

  test("of an earlier server is held on; one that was loaded for a call is not", () => {
    const bench = new Bench({}, hostOfGiB(4, 4));
    provision(bench, 1);
    const container = { state: "idle", runtime: "nodejs24.x", functionKey: KEY, memoryMiB: 128 } as const;
    const report = {
      instanceId: "old" as InstanceId,
      subPool: "fixed",
      offerId: "host",
      shape: { memoryMiB: 2 * GIB, cpuMilli: 2000 },
      accountId: A,
      containers: [
        { ...container, containerId: "called" as ContainerId },
        { ...container, containerId: "held" as ContainerId, isInitializedAhead: true },
      ],
    } as never;
    bench.feed({ kind: "InstanceJoined", report });
    expect(held(bench)).toMatchObject([{ id: "held" }]);
  });

  test("without room it stays short, waits for no wake-up in vain, and says for how long", () => {
    const bench = warmed({}, hostOfGiB(1, 1));
    carryOut(bench, provision(bench, 4, { memoryMiB: 512 }));
    carryOut(bench, bench.pass(90_000));
    const { allocated = 9, shortMs = 0 } = stateOf(bench) ?? {};
    expect([1, 2]).toContain(allocated);
    expect(shortMs).toBeGreaterThan(60_000);
  });

  test("counts against its function's reserve: nothing is left for other versions", () => {
    const bench = warmed({}, hostOfGiB(4, 4));
    const version = { functionKey: KEY, runtime: "nodejs24.x", memoryMiB: 128, count: 1 } as const;
    const settings = { reserved: 1, provisioned: [version] };
    carryOut(bench, bench.feed({ kind: "ConcurrencyConfigured", accountId: A, functionName: "f", settings }));
    expect(bench.only("RejectInvocation", bench.arrive("1", "a", "f/$LATEST/z"))).toMatchObject([
      { code: "RESERVED_CONCURRENCY_LIMIT" },
    ]);
    call(bench, "2");
    expect(bench.only("RejectInvocation", bench.arrive("3", "a", "f/1/x"))).toHaveLength(1);
  });

  test("is set apart from what the account's other functions share", () => {
    const bench = warmed({ accountConcurrencyMax: 3 }, hostOfGiB(4, 4));
    carryOut(bench, provision(bench, 2));
    bench.arrive("1", "a", "g");
    expect(bench.only("RejectInvocation", bench.arrive("2", "a", "g"))).toMatchObject([{ code: "CONCURRENCY_LIMIT" }]);
    call(bench, "3");
    call(bench, "4");
  });
});

test("whatever is asked for and whatever dies, what is held is what is asked for as soon as there is room and time", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("ask" as const), count: fc.constantFrom(0, 1, 2, 5) }),
    fc.record({ kind: fc.constant("die" as const), at: fc.nat(4) }),
    fc.record({ kind: fc.constant("lose" as const), at: fc.nat(2) }),
    fc.record({ kind: fc.constant("call" as const) }),
    fc.record({ kind: fc.constant("finish" as const), usable: fc.boolean() }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 300, 70_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const bench = warmed({}, hostOfGiB(8, 2));
      let wanted = 0;
      let calls = 0;
      const running: LeaseId[] = [];
      for (const each of steps) {
        let commands: Command[] = [];
        if (each.kind === "ask") {
          wanted = each.count;
          commands = provision(bench, wanted);
        } else if (each.kind === "die") {
          const victim = held(bench).filter(({ state }) => state === "idle")[each.at];
          if (victim === undefined) continue;
          const { instanceId, id: containerId } = victim;
          commands = bench.feed({ kind: "ContainerGone", instanceId, containerId, reason: "it died" });
        } else if (each.kind === "lose") {
          const instance = bench.control.snapshot(bench.nowMs).instances[each.at];
          if (instance === undefined) continue;
          commands = bench.feed({ kind: "InstanceLost", instanceId: instance.id, reason: "killed" });
        } else if (each.kind === "call") commands = bench.arrive(String(++calls), "a", "f/1/x");
        else if (each.kind === "finish") {
          const lease = running.shift();
          if (lease !== undefined) commands = bench.finish(lease, each.usable);
        } else commands = bench.pass(each.ms);
        for (const command of carryOut(bench, commands)) {
          if (command.kind === "RunInvocation") running.push(command.lease.id);
        }
      }
      for (let round = 0; round < 5; round++) {
        for (const command of carryOut(bench, bench.pass(60_000))) {
          if (command.kind === "RunInvocation") running.push(command.lease.id);
        }
      }
      expect(stateOf(bench)?.available ?? 0).toBe(wanted);
      expect(held(bench)).toHaveLength(wanted);
    }),
    { numRuns: 60 },
  );
});
