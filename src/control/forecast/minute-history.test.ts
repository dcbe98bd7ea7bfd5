import fc from "fast-check";
import { expect, test } from "vitest";
import { MinuteHistory } from "./minute-history.ts";

test("it holds the last minutes and nothing else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(1000), { maxLength: 30 }), (minutesMax, values) => {
      const history = new MinuteHistory(minutesMax);
      for (const value of values) history.push(value);
      const first = Math.max(0, values.length - minutesMax);
      expect(history.toArray()).toEqual(values.slice(first));
      for (let minute = -2; minute < values.length + 2; minute++) {
        expect(history.at(minute)).toBe(minute < first ? 0 : (values[minute] ?? 0));
      }
      expect(history.sum(first, values.length - first + 3)).toBe(values.slice(first).reduce((a, b) => a + b, 0));
    }),
  );
});
