import { expect, test } from "vitest";
import { Random } from "../../simulator/random.ts";
import { SequentialTest, type Verdict } from "./sequential-test.ts";
import { Watch } from "./watch.ts";

function verdictOf(badShare: number, random: Random): { verdict: Verdict; executions: number } {
  const test = new SequentialTest();
  while (test.verdict === "undecided") test.add(random.chance(badShare));
  return { verdict: test.verdict, executions: test.executions };
}

test("good and bad sizes are told apart as often as promised, within few executions", () => {
  const random = new Random(1);
  const share = (badShare: number, verdict: Verdict) =>
    Array.from({ length: 2000 }, () => verdictOf(badShare, random)).filter((one) => one.verdict === verdict).length /
    2000;
  expect(share(0.05, "bad")).toBeLessThan(0.02);
  expect(share(0.4, "good")).toBeLessThan(0.06);
  const lengths = Array.from({ length: 2000 }, () => verdictOf(0.02, random).executions);
  expect(lengths.reduce((sum, length) => sum + length) / 2000).toBeLessThan(12);
});

test("seven in a row without fault pass, and it always ends", () => {
  expect(verdictOf(0, new Random(1))).toEqual({ verdict: "good", executions: 7 });
  expect(verdictOf(1, new Random(1)).verdict).toBe("bad");
  expect(verdictOf(0.18, new Random(2)).executions).toBeLessThanOrEqual(100);
});

test("a watch alarms at five bad ones in a row, and hardly ever by chance", () => {
  const watch = new Watch();
  expect([1, 2, 3, 4, 5].map(() => watch.add(true))).toEqual([false, false, false, false, true]);
  const random = new Random(3);
  const calm = new Watch();
  expect(Array.from({ length: 20_000 }, () => calm.add(random.chance(0.02))).filter(Boolean)).toHaveLength(0);
});
