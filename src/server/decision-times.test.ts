import fc from "fast-check";
import { expect, test } from "vitest";
import type { AccountId } from "../model/ids.ts";
import { DECISIONS_KEPT, type SizingDecision, sizingKeyOf } from "../model/sizing.ts";
import { DecisionTimes } from "./decision-times.ts";

const key = sizingKeyOf("000000000000" as AccountId, "f", "$LATEST@ab", "x86_64");
const size = { memoryMiB: 128, cpuMilli: 72 };
const decision = (atExecution: number): SizingDecision => ({
  atExecution,
  condition: "tooMuch",
  appliesTo: "size",
  from: size,
  to: size,
  why: "",
});

test("every decision keeps the time at which it was first noticed, whatever is noticed at once", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 20 }), (batches) => {
      const times = new DecisionTimes();
      const noticedMs = new Map<number, number>();
      let [count, kept] = [0, [] as readonly SizingDecision[]];
      batches.forEach((batch, nowMs) => {
        const fresh = Array.from({ length: batch }, () => decision(count++));
        if (batch > 0) kept = [...kept, ...fresh].slice(-DECISIONS_KEPT);
        for (const { atExecution } of fresh) noticedMs.set(atExecution, nowMs);
        expect(times.notice(key, kept, nowMs)).toEqual(fresh.slice(-DECISIONS_KEPT));
        expect(times.stamped(key)).toEqual(
          kept.map((each) => ({ ...each, decidedMs: noticedMs.get(each.atExecution) })),
        );
      });
    }),
  );
});

test("what an earlier server knew stays; one that starts over begins anew; what is forgotten is gone", () => {
  const times = new DecisionTimes();
  times.restore(key, [decision(1), decision(2)], [10, 20]);
  expect(times.notice(key, [decision(1), decision(2), decision(3)], 30)).toEqual([decision(3)]);
  expect(times.of(key)).toEqual([10, 20, 30]);
  expect(times.notice(key, [], 40)).toEqual([]);
  expect(times.of(key)).toEqual([]);
  expect(times.notice(key, [decision(1)], 50)).toEqual([decision(1)]);
  times.forget(key);
  expect(times.of(key)).toEqual([]);
});
