import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_CAPACITY } from "../model/capacity.ts";
import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { RejectCode } from "../model/error-code.ts";
import type { Command } from "../model/event.ts";
import type { AccountId, LeaseId, OfferId } from "../model/ids.ts";
import { Bench, hostOfGiB, warmed } from "./core-bench-fixture.ts";

const A = "a" as AccountId;
const NONE_WARM = { fixed: { min: 0, max: 0 }, variable: { min: 0, max: 0 } } as const;

function reserve(bench: Bench, functionName: string, reserved: number | undefined): Command[] {
  const settings: ConcurrencySettings | undefined = reserved === undefined ? undefined : { reserved, provisioned: [] };
  return bench.feed({ kind: "ConcurrencyConfigured", accountId: A, functionName, settings });
}

/** An account of which two executions may run; a large host. */
function small(accountConcurrencyMax = 2): Bench {
  return warmed(
    { accountConcurrencyMax, blankTarget: { "nodejs24.x": 4 }, creationsPerInstanceMax: 8 },
    hostOfGiB(8, 8),
  );
}

function refusalIn(commands: readonly Command[]): RejectCode | undefined {
  for (const command of commands) if (command.kind === "RejectInvocation") return command.code;
  return undefined;
}

function leaseIn(commands: readonly Command[]): LeaseId {
  for (const command of commands) if (command.kind === "RunInvocation") return command.lease.id;
  throw new Error("nothing runs");
}

describe("reserved concurrency", () => {
  test("is the most that a function may have, and is there again when an execution ends", () => {
    const bench = small(10);
    reserve(bench, "f", 1);
    const lease = leaseIn(bench.arrive("1"));
    expect(refusalIn(bench.arrive("2"))).toBe("RESERVED_CONCURRENCY_LIMIT");
    expect(refusalIn(bench.arrive("3", "a", "g"))).toBeUndefined();
    bench.finish(lease);
    expect(refusalIn(bench.arrive("4"))).toBeUndefined();
  });

  test("counts one that waits for fixed capacity", () => {
    const bench = new Bench();
    reserve(bench, "f", 1);
    expect(bench.only("RejectInvocation", bench.arrive("1"))).toEqual([]);
    expect(refusalIn(bench.arrive("2"))).toBe("RESERVED_CONCURRENCY_LIMIT");
  });

  test("is kept from the other functions of the account", () => {
    const bench = small(3);
    reserve(bench, "f", 2);
    leaseIn(bench.arrive("1", "a", "g"));
    expect(refusalIn(bench.arrive("2", "a", "h"))).toBe("CONCURRENCY_LIMIT");
    leaseIn(bench.arrive("3"));
    leaseIn(bench.arrive("4"));
    expect(refusalIn(bench.arrive("5"))).toBe("CONCURRENCY_LIMIT"); // The account is full as well.
  });

  test("of none lets nothing run, and turns away who waits", () => {
    const bench = new Bench();
    bench.arrive("1");
    expect(reserve(bench, "f", 0)).toMatchObject([
      { kind: "RejectInvocation", invocation: { id: "1" }, code: "RESERVED_CONCURRENCY_LIMIT" },
    ]);
    expect(refusalIn(bench.arrive("2"))).toBe("RESERVED_CONCURRENCY_LIMIT");
    const deadlineMs = bench.nowMs + 3_600_000;
    expect(refusalIn(bench.arrive("3", "a", "f", 128, { deadlineMs }))).toBe("RESERVED_CONCURRENCY_LIMIT");
    reserve(bench, "f", undefined);
    expect(refusalIn(bench.arrive("4"))).toBeUndefined();
  });

  test("is shared by all versions of a function", () => {
    const bench = small(10);
    reserve(bench, "f", 1);
    leaseIn(bench.arrive("1", "a", "f/1/x"));
    expect(refusalIn(bench.arrive("2", "a", "f/2/y"))).toBe("RESERVED_CONCURRENCY_LIMIT");
  });

  test("holds for what an earlier server began", () => {
    const bench = small(10);
    const { lease } = bench.only("RunInvocation", bench.arrive("1"))[0] ?? {};
    reserve(bench, "f", 1);
    expect(refusalIn(bench.arrive("2"))).toBe("RESERVED_CONCURRENCY_LIMIT");
    bench.finish(lease?.id as LeaseId);
    expect(refusalIn(bench.arrive("3"))).toBeUndefined();
  });

  test("one that is held for a better time counts when it runs", () => {
    const busy = { ...hostOfGiB(8, 8), demandLevel: 0.9 };
    const bench = warmed({}, busy);
    reserve(bench, "f", 1);
    const deadlineMs = bench.nowMs + 3_600_000;
    expect(bench.arrive("held", "a", "f", 128, { deadlineMs })).toEqual([]);
    const lease = leaseIn(bench.arrive("1"));
    // Now it may be released, and has to wait for its turn.
    expect(bench.boot(bench.feed({ kind: "OffersChanged", offers: [{ ...busy, demandLevel: 0 }] }))).toEqual([]);
    const ran = bench.only("RunInvocation", bench.finish(lease));
    expect(ran).toMatchObject([{ lease: { invocation: { id: "held" } } }]);
    expect(refusalIn(bench.arrive("2"))).toBe("RESERVED_CONCURRENCY_LIMIT");
  });

  const SPOT = { ...hostOfGiB(64, 1), id: "spot" as OfferId, subPool: "variable", noticeMs: 0 } as const;

  test("bounds what is brought about for several functions together that share what others leave", () => {
    const bench = new Bench({ accountConcurrencyMax: 10, warming: { ...NONE_WARM } });
    bench.feed({ kind: "AccountCapacityChanged", accountId: A, capacity: { ...DEFAULT_CAPACITY, class: "variable" } });
    reserve(bench, "other", 5);
    reserve(bench, "own", 2);
    for (let n = 0; n < 20; n += 1) bench.arrive(`${n}`, "a", `f${n % 5}`, 1024);
    for (let n = 0; n < 4; n += 1) bench.arrive(`own${n}`, "a", `own/${n % 2}/x`, 1024);
    const launched = bench.only("LaunchInstance", bench.feed({ kind: "OffersChanged", offers: [SPOT] }));
    expect(launched).toHaveLength(3 + 2);
  });

  test("bounds what is brought about for those who wait: what may not run needs no room", () => {
    const bench = new Bench({ accountConcurrencyMax: 3, warming: { ...NONE_WARM } });
    bench.feed({ kind: "AccountCapacityChanged", accountId: A, capacity: { ...DEFAULT_CAPACITY, class: "variable" } });
    for (let n = 0; n < 20; n += 1) bench.arrive(`${n}`, "a", n % 2 === 0 ? "f" : "g", 1024);
    const launched = bench.only("LaunchInstance", bench.feed({ kind: "OffersChanged", offers: [SPOT] }));
    expect(launched).toHaveLength(3);
  });

  test("a function at its limit holds up no other that waits for the same capacity", () => {
    const bench = small(100);
    const variable = { ...DEFAULT_CAPACITY, class: "variable" } as const;
    reserve(bench, "f", 1);
    const lease = leaseIn(bench.arrive("1"));
    bench.feed({ kind: "AccountCapacityChanged", accountId: A, capacity: variable });
    // Both wait now, for there is no variable capacity; when there is fixed, f may not run yet.
    const deadlineMs = bench.nowMs + 100_000;
    bench.arrive("2", "a", "f", 128, { deadlineMs });
    bench.arrive("3", "a", "g");
    const freed = bench.feed({ kind: "AccountCapacityChanged", accountId: A, capacity: DEFAULT_CAPACITY });
    const ran = bench.boot(freed);
    expect(bench.only("RunInvocation", ran).map((run) => run.lease.invocation.id)).toContain("3");
    expect(bench.only("RunInvocation", ran).map((run) => run.lease.invocation.id)).not.toContain("2");
    bench.finish(lease);
  });
});

describe("the scaling rate", () => {
  test("bounds new containers and not warm calls", () => {
    const bench = warmed(
      { scalingContainers: 2, scalingMs: 10_000, blankTarget: { "nodejs24.x": 8 }, creationsPerInstanceMax: 8 },
      hostOfGiB(8, 8),
    );
    const lease = leaseIn(bench.arrive("1"));
    leaseIn(bench.arrive("2"));
    expect(refusalIn(bench.arrive("3"))).toBe("SCALING_RATE_LIMIT");
    expect(refusalIn(bench.arrive("4", "a", "g"))).toBeUndefined();
    bench.finish(lease);
    expect(bench.only("RunInvocation", bench.arrive("5"))).toMatchObject([{ lease: { start: "warm" } }]);
    expect(refusalIn(bench.arrive("6"))).toBe("SCALING_RATE_LIMIT");
    bench.boot(bench.pass(5_000));
    expect(refusalIn(bench.arrive("7"))).toBeUndefined();
    expect(refusalIn(bench.arrive("8"))).toBe("SCALING_RATE_LIMIT");
  });
});

test("calls in a second are bounded by what may run at a time", () => {
  const bench = small(100);
  const limited = warmed({ requestsPerConcurrency: 2 }, hostOfGiB(8, 8));
  reserve(limited, "f", 1);
  limited.finish(leaseIn(limited.arrive("1")));
  limited.finish(leaseIn(limited.arrive("2")));
  expect(refusalIn(limited.arrive("3"))).toBe("RESERVED_INVOCATION_RATE_LIMIT");
  expect(refusalIn(limited.arrive("4", "a", "g"))).toBeUndefined();
  limited.pass(1_000);
  expect(refusalIn(limited.arrive("5"))).toBeUndefined();
  expect(refusalIn(bench.arrive("1"))).toBeUndefined();
});

test("whatever comes, no function and no account runs more than it may, and nobody is refused below", () => {
  const names = ["f", "g", "h"] as const;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("call" as const), name: fc.constantFrom(...names) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("finish" as const), at: fc.nat(10) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("reserve" as const),
        name: fc.constantFrom(...names),
        count: fc.constantFrom(undefined, 0, 1, 2),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const accountMax = 5;
      const bench = warmed(
        { accountConcurrencyMax: accountMax, blankTarget: { "nodejs24.x": 8 }, creationsPerInstanceMax: 8 },
        hostOfGiB(8, 8),
      );
      const reserved = new Map<string, number>();
      const running: { name: string; id: LeaseId }[] = [];
      const runningOf = (name: string) => running.filter((each) => each.name === name).length;
      const mayRun = (name: string) => {
        const own = reserved.get(name);
        if (running.length >= accountMax) return false;
        if (own !== undefined) return runningOf(name) < own;
        const others = [...reserved.values()].reduce((sum, count) => sum + count, 0);
        const shared = running.filter((each) => !reserved.has(each.name)).length;
        return shared < accountMax - others;
      };
      for (const [index, each] of steps.entries()) {
        if (each.kind === "call") {
          const may = mayRun(each.name);
          const commands = bench.boot(bench.arrive(String(index), "a", each.name));
          expect(refusalIn(commands) === undefined).toBe(may);
          if (may) running.push({ name: each.name, id: leaseIn(commands) });
        } else if (each.kind === "finish") {
          const ended = running.splice(each.at, 1)[0];
          if (ended !== undefined) bench.finish(ended.id);
        } else {
          reserve(bench, each.name, each.count);
          if (each.count === undefined) reserved.delete(each.name);
          else reserved.set(each.name, each.count);
        }
        bench.boot(bench.pass(30));
      }
    }),
  );
});
