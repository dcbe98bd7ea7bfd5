import fc from "fast-check";
import { expect, test } from "vitest";
import { Gate } from "./gate.ts";

test("never more than its count at once, all in order, whatever fails", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean(), { maxLength: 12 }), async (max, fails) => {
      const gate = new Gate(max);
      const begun: number[] = [];
      let runningCount = 0;
      let runningCountMax = 0;
      const work = (index: number) => async () => {
        begun.push(index);
        runningCountMax = Math.max(runningCountMax, ++runningCount);
        await new Promise((resolve) => setImmediate(resolve));
        runningCount--;
        if (fails[index] === true) throw new Error("failed");
        return index;
      };
      const settled = await Promise.allSettled(fails.map((_, index) => gate.run(work(index))));
      expect(settled.map(({ status }) => status === "rejected")).toEqual(fails);
      expect(begun).toEqual([...fails.keys()]);
      expect(runningCountMax).toBe(Math.min(max, fails.length));
    }),
  );
});
