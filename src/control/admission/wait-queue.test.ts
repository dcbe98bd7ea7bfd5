import fc from "fast-check";
import { expect, test } from "vitest";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import { Share } from "./share.ts";
import { AccountTally, VersionTally } from "./version-tally.ts";
import { byHead, type Line, type Urgency, type Waiting, WaitQueue } from "./wait-queue.ts";

const ACCOUNT = "000000000000" as AccountId;
const FUNCTIONS = 5;
const LIMIT = 1000;
const NOTHING = new Share(0, 0);
const ROOMS = [128, 256].map((memoryMiB) => ({ memoryMiB, reservedMiB: memoryMiB, needMiB: memoryMiB }));

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("push" as const), at: fc.nat(FUNCTIONS - 1), early: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("overdue" as const), at: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("resize" as const), at: fc.nat(FUNCTIONS - 1), room: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const), at: fc.nat(FUNCTIONS - 1) }) },
);

/** By looking at all of them. */
function bestOf(lines: readonly Line[]): Line | undefined {
  const eligible = lines.filter(({ tally }) => tally.mayRun);
  return eligible.length === 0 ? undefined : eligible.reduce((a, b) => (byHead(a, b) <= 0 ? a : b));
}

test("after whatever happened the lines of a group are in the order of their heads, and the best is the first whose function may run", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const queue = new WaitQueue();
      const account = new AccountTally(ACCOUNT, LIMIT);
      const tallies = Array.from({ length: FUNCTIONS }, (_, i) => new VersionTally(key(i), `f${i}`, account));
      const waiting: Waiting[] = [];
      let now = 0;
      for (const one of steps) {
        now++;
        if (one.kind === "push") {
          const urgency: Urgency = one.early ? "early" : "due";
          const startByMs = one.early ? now + 100 : Number.POSITIVE_INFINITY;
          const facts = { room: ROOMS[0]!, tally: tallies[one.at]! };
          const wish = { sinceMs: now, queuedMs: now, startByMs, bidUsdPerHour: 1, urgency };
          waiting.push(queue.push(invocation(now, one.at), facts, wish));
        } else if (one.kind === "remove") {
          const [gone] = waiting.splice(one.at, 1);
          if (gone !== undefined) queue.remove(gone.invocation.id);
        } else if (one.kind === "overdue") {
          const entry = waiting[one.at];
          if (entry?.urgency === "early") queue.makeOverdue(entry.invocation.id);
        } else if (one.kind === "resize") {
          const line = queue.line(key(one.at));
          if (line !== undefined) queue.resize(line, ROOMS[one.room]!);
        } else {
          const tally = tallies[one.at]!;
          tally.moveTo(tally.mayRun ? NOTHING : account.share, 0);
        }
        const groups = [...queue.groups()];
        expect(groups.flatMap(({ lines }) => lines)).toHaveLength([...queue.lines()].length);
        expect(groups.reduce((sum, { length }) => sum + length, 0)).toBe(queue.length);
        for (const group of groups) {
          expect([...group.lines].sort(byHead)).toEqual(group.lines);
          expect(group.best()).toBe(bestOf(group.lines));
        }
      }
    }),
  );
});

function key(index: number): FunctionKey {
  return `f${index}` as FunctionKey;
}

function invocation(id: number, index: number): Invocation {
  return {
    id: `${id}` as InvocationId,
    accountId: ACCOUNT,
    functionKey: key(index),
    runtime: "nodejs24.x",
    memoryMiB: 128,
    mode: "synchronous",
  };
}
