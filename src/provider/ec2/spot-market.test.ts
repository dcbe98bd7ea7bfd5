import type { SpotPrice } from "@aws-sdk/client-ec2";
import fc from "fast-check";
import { expect, test } from "vitest";
import { newestPrices } from "./spot-market.ts";

const entry = fc.record({
  InstanceType: fc.constantFrom("m6i.large" as const, "m7i.large" as const),
  AvailabilityZone: fc.constantFrom("eu-west-1a", "eu-west-1b"),
  SpotPrice: fc.constantFrom("0.01", "0.02", "0.03", "", "-1", "free", "Infinity"),
  Timestamp: fc.constantFrom(new Date(1000), new Date(2000), new Date(3000), new Date(Number.NaN), undefined),
  ProductDescription: fc.constantFrom("Linux/UNIX" as const, "Windows" as const, undefined),
}) as fc.Arbitrary<SpotPrice>;

const isPrice = ({ SpotPrice: price, Timestamp, ProductDescription }: SpotPrice) =>
  ["0.01", "0.02", "0.03"].includes(price ?? "") &&
  Timestamp !== undefined &&
  !Number.isNaN(Timestamp.getTime()) &&
  ProductDescription === "Linux/UNIX";

test("a pool's price is one that no valid entry of it is newer than", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 20 }), (history) => {
      const prices = newestPrices(history);
      const valid = history.filter(isPrice);
      const pools = new Set(valid.map(({ InstanceType, AvailabilityZone }) => `${InstanceType}/${AvailabilityZone}`));
      expect(new Set(prices.keys())).toEqual(pools);
      for (const [pool, usd] of prices) {
        const own = valid.filter((each) => `${each.InstanceType}/${each.AvailabilityZone}` === pool);
        const newestMs = Math.max(...own.map(({ Timestamp }) => Timestamp!.getTime()));
        const newest = own.filter(({ Timestamp }) => Timestamp!.getTime() === newestMs);
        expect(newest.map((each) => Number(each.SpotPrice))).toContain(usd);
      }
    }),
  );
});
