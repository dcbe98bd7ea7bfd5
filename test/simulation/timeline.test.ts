import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timeline } from "../../src/simulator/timeline.ts";

/** Few distinct times, so that ties are common. */
const times = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 });

describe("Timeline", () => {
  it("gives back everything in order of time, and ties in order of scheduling", () => {
    fc.assert(
      fc.property(times, (atMs) => {
        const timeline = new Timeline<{ atMs: number; turn: number }>();
        atMs.forEach((ms, turn) => {
          timeline.at(ms, { atMs: ms, turn });
        });
        const taken = atMs.map(() => timeline.take());
        const sorted = atMs.map((ms, turn) => ({ atMs: ms, turn })).sort((a, b) => a.atMs - b.atMs || a.turn - b.turn);
        expect(taken).toEqual(sorted);
        expect(timeline.length).toBe(0);
      }),
    );
  });

  it("does as a sorted list does, in any order of scheduling and taking", () => {
    const steps = fc.array(fc.option(fc.integer({ min: 0, max: 5 }), { freq: 3 }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (atOrTake) => {
        const timeline = new Timeline<number>();
        const list: { atMs: number; turn: number }[] = [];
        atOrTake.forEach((step, turn) => {
          if (step !== null) {
            timeline.at(step, turn);
            list.push({ atMs: step, turn });
            list.sort((a, b) => a.atMs - b.atMs || a.turn - b.turn);
          } else if (list.length > 0) {
            expect(timeline.take()).toBe(list.shift()?.turn);
          }
          expect(timeline.length).toBe(list.length);
          expect(timeline.headMs).toBe(list[0]?.atMs ?? Number.POSITIVE_INFINITY);
        });
      }),
    );
  });

  it("has nothing to take when it is empty", () => {
    expect(() => new Timeline<number>().take()).toThrow(RangeError);
  });
});
